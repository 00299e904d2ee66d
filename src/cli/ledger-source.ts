// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { folderPlace } from '../adapters/files/folder-place.ts';
import { checkTiles } from '../app/check-tiles.ts';
import { markFile, type MarkKeeper } from '../app/mark.ts';
import type { Damage } from '../app/sequencer-replay.ts';
import type { TextSupply } from '../app/texts.ts';
import { tileStore } from '../app/tile-store.ts';
import { digestOf } from '../crypto/digest.ts';
import { formatVerifierKey, noteVerifier, type NoteVerifier } from '../crypto/signed-note.ts';
import { decodeBase64 } from '../kernel/base64.ts';
import { parseCanonical } from '../kernel/canonical-json.ts';
import { ok, refuse, type Refusal, type Result } from '../kernel/refusal.ts';
import { parseEntry } from '../ledger/entry.ts';
import { StoreFailure, type LedgerStore, type StoredEntry } from '../ledger/store.ts';
import { formatTilePath, type Tile } from '../ledger/tiles.ts';
import { genesisStatement, originOf } from '../lifecycle/genesis.ts';
import { namedText } from '../lifecycle/named-texts.ts';
import { readServerConfig } from '../server/server-config.ts';
import { openStoreOf } from '../server/store-config.ts';

/** A ledger to look at: a stopped server's data folder, what `ledger export` wrote, or a running server's tiles. */
export type LedgerSource = {
  readonly kind: 'data folder' | 'export' | 'server';
  readonly store: LedgerStore;
  readonly tenant: string;
  readonly mark: MarkKeeper | undefined;
  /** Checkpoints beside the one of the store, such as those with the times of witnesses. Nothing of them is believed. */
  readonly notes: () => readonly string[];
  /** Stored tiles of hashes, where there are any. */
  readonly tile?: (tile: Tile) => Promise<Uint8Array | undefined>;
  /** Looks at what a replay does not read; of an export only. `logKey` is the key that the genesis names. */
  readonly checkFiles?: (logKey: NoteVerifier) => Promise<Damage | undefined>;
};

const tenant = 'main';

/**
 * Opens a folder. A data folder is locked for as long as it is open, so its server must be stopped (SPEC L9); a ledger in
 * PostgreSQL is not, and is best looked at while its servers are stopped.
 */
export const openLedgerSource = async (folder: string, markAt?: string): Promise<Result<LedgerSource>> => {
  const markFileAt = markAt ?? join(folder, 'mark', `${tenant}.json`);
  const notes = (): readonly string[] => [
    ...textAt(join(folder, 'checkpoint')),
    ...textAt(`${markFileAt.replace(/\.json$/, '')}.cosigned`),
  ];
  if (existsSync(join(folder, 'tile'))) return ok(openLedgerFolder(folder, notes));
  const config = readServerConfig(folder);
  if (!config.ok) return config;
  if (config.value.store === undefined && !existsSync(join(folder, 'ledger')))
    return refuse(
      'ledger-unavailable',
      'L8',
      `\`${folder}\` holds neither \`ledger/\` nor \`tile/\``,
      { folder },
      'give the data folder of a server, or a folder that `countersign ledger export` or a mirror wrote',
    );
  const store = await openStoreOf(folder, config.value.store);
  if (!store.ok) return store;
  return ok({
    kind: 'data folder',
    store: store.value,
    tenant,
    mark: markFile(markFileAt),
    notes,
  });
};

const textAt = (file: string): readonly string[] => {
  try {
    return [readFileSync(file, 'utf8')];
  } catch {
    return [];
  }
};

// An export or a mirror is believed in nothing: it is looked at as it stands, like any other store.
const openLedgerFolder = (folder: string, notes: LedgerSource['notes']): LedgerSource => {
  const place = folderPlace(folder);
  return {
    kind: 'export',
    store: tileStore(place),
    tenant,
    mark: undefined,
    notes,
    tile: (tile) => place.get(`tile/${formatTilePath(tile)}`),
    checkFiles: (logKey) => checkTiles(place, formatVerifierKey(logKey), namedText),
  };
};

/** The texts that lie there, for a copy. */
export const textsOf = ({ store }: LedgerSource): TextSupply => ({
  openings: (after, limit) => store.openings(tenant, after, limit),
  erasures: (after, limit) => store.erasures(tenant, after, limit),
});

/** A database that cannot be opened at all: there is nothing to look at, and its own message says the way out. */
export const isLost = ({ code, facts }: Refusal): boolean => code === 'store-corrupt' && facts['holds'] === 'ledger';

/** What a ledger says of itself in its first entry. Only a pin says whether it is the right one. */
export type LedgerIdentity = {
  readonly ledger: string;
  readonly trial: boolean;
  readonly origin: string;
  readonly logKey: NoteVerifier;
};

/** Reads the first entry for the ledger's digest and the key that signs its checkpoints. */
export const readIdentity = async ({ store, tenant }: LedgerSource): Promise<Result<LedgerIdentity>> => {
  let first: StoredEntry | undefined;
  try {
    [first] = await store.entries(tenant, 0, 1);
  } catch (error) {
    if (error instanceof StoreFailure) return { ok: false, refusal: error.refusal };
    throw error;
  }
  if (first === undefined)
    return refuse('genesis-missing', 'N1', 'the ledger is empty', {}, 'found it with `countersign init`');
  const entry = parseEntry(first.bytes);
  if (!entry.ok) return entry;
  const { command } = entry.value;
  const text = command['type'] === 'Genesis' ? command['statement'] : undefined;
  if (typeof text !== 'string')
    return refuse('genesis-missing', 'N1', 'the first entry is no genesis', {}, 'this is no ledger of Countersign');
  const parsed = parseCanonical(text);
  if (!parsed.ok) return parsed;
  const statement = genesisStatement(parsed.value, '');
  if (!statement.ok) return statement;
  const raw = decodeBase64(statement.value.log_key);
  if (!raw.ok) return raw;
  const origin = originOf(statement.value);
  const logKey = noteVerifier(origin, raw.value);
  return logKey.ok
    ? ok({ ledger: digestOf(text), trial: statement.value.trial, origin, logKey: logKey.value })
    : logKey;
};
