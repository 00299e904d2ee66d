// SPDX-License-Identifier: Apache-2.0
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { memoryStore } from '../adapters/memory/memory-store.ts';
import { markFile, type MarkKeeper } from '../app/mark.ts';
import { digestOf } from '../crypto/digest.ts';
import { noteVerifier, type NoteVerifier } from '../crypto/signed-note.ts';
import { decodeBase64 } from '../kernel/base64.ts';
import { parseCanonical } from '../kernel/canonical-json.ts';
import { parseInstant } from '../kernel/instant.ts';
import { ok, refuse, type Result } from '../kernel/refusal.ts';
import { parseEntry } from '../ledger/entry.ts';
import { leafHash, rootOf } from '../ledger/merkle.ts';
import { MerkleSlab } from '../ledger/slab.ts';
import type { LedgerStore, StoredEntry } from '../ledger/store.ts';
import { genesisStatement, originOf } from '../lifecycle/genesis.ts';
import { readServerConfig } from '../server/server-config.ts';
import { openStoreOf } from '../server/store-config.ts';

/** A ledger to look at, offline: a server's data folder, or what `ledger export` wrote. */
export type LedgerSource = {
  readonly kind: 'data folder' | 'export';
  readonly store: LedgerStore;
  readonly tenant: string;
  readonly mark: MarkKeeper | undefined;
};

const tenant = 'main';

/**
 * Opens a folder. A data folder is locked for as long as it is open, so its server must be stopped (SPEC L9); a ledger in
 * PostgreSQL is not, and is best looked at while its servers are stopped.
 */
export const openLedgerSource = async (folder: string, markAt?: string): Promise<Result<LedgerSource>> => {
  if (existsSync(join(folder, 'entries.jsonl'))) {
    const store = await readExport(folder);
    return store.ok ? ok({ kind: 'export', store: store.value, tenant, mark: undefined }) : store;
  }
  const config = readServerConfig(folder);
  if (!config.ok) return config;
  if (config.value.store === undefined && !existsSync(join(folder, 'ledger')))
    return refuse(
      'ledger-unavailable',
      'L8',
      `\`${folder}\` holds neither \`ledger/\` nor \`entries.jsonl\``,
      { folder },
      'give the data folder of a server, or a folder that `countersign ledger export` wrote',
    );
  const store = await openStoreOf(folder, config.value.store);
  if (!store.ok) return store;
  return ok({
    kind: 'data folder',
    store: store.value,
    tenant,
    mark: markFile(markAt ?? join(folder, 'mark', `${tenant}.json`)),
  });
};

// Bytes, not text: a damaged entry need not be UTF-8, and must not look sound because it was decoded.
const linesOf = (file: Buffer): Buffer[] => {
  const lines: Buffer[] = [];
  for (let from = 0; from < file.length; ) {
    const end = file.indexOf(0x0a, from);
    lines.push(file.subarray(from, end < 0 ? file.length : end));
    from = end < 0 ? file.length : end + 1;
  }
  return lines;
};

// An export is believed in nothing: what it holds is put into a store as it stands, and looked at like any other.
const readExport = async (folder: string): Promise<Result<LedgerStore>> => {
  const store = memoryStore();
  const slab = new MerkleSlab();
  const entries: StoredEntry[] = linesOf(readFileSync(join(folder, 'entries.jsonl'))).map((bytes, index) => {
    const hash = leafHash(bytes);
    slab.append(hash);
    return { index, bytes, leafHash: hash };
  });
  const last = parseEntry(entries.at(-1)?.bytes ?? '');
  const edge = slab.edge();
  await store.batch(tenant, async (tx) => {
    const before = await tx.head();
    const time = last.ok ? parseInstant(last.value.time) : undefined;
    await tx.insert(entries, before, {
      size: edge.size,
      root: rootOf(edge),
      edge,
      time: time?.ok === true ? time.value : null,
    });
    const blobs = join(folder, 'blobs');
    for (const name of existsSync(blobs) ? readdirSync(blobs) : [])
      await tx.putBlob({ digest: `sha256:${name}`, bytes: readFileSync(join(folder, 'blobs', name)) });
    if (existsSync(join(folder, 'checkpoint')))
      await tx.putCheckpoint(readFileSync(join(folder, 'checkpoint'), 'utf8'));
  });
  return ok(store);
};

/** What a ledger says of itself in its first entry. Only a pin says whether it is the right one. */
export type LedgerIdentity = {
  readonly ledger: string;
  readonly trial: boolean;
  readonly origin: string;
  readonly logKey: NoteVerifier;
};

/** Reads the first entry for the ledger's digest and the key that signs its checkpoints. */
export const readIdentity = async ({ store, tenant }: LedgerSource): Promise<Result<LedgerIdentity>> => {
  const [first] = await store.entries(tenant, 0, 1);
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
