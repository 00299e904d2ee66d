// SPDX-License-Identifier: Apache-2.0
import { createHmac } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { openSqliteStore } from '../adapters/sqlite/sqlite-store.ts';
import { markFile, type MarkKeeper } from '../app/mark.ts';
import type { Quarantine } from '../app/quarantine.ts';
import type { Remembered } from '../app/remembered.ts';
import { startSequencer, type Sequencer } from '../app/sequencer.ts';
import type { LookedAt } from '../app/sequencer-start.ts';
import { formatOpenSshPrivateKey } from '../crypto/openssh-private-key.ts';
import { noteSigner, type NoteSigner } from '../crypto/signed-note.ts';
import { encodeBase64 } from '../kernel/base64.ts';
import { instantFromMs } from '../kernel/instant.ts';
import { parseCanonical } from '../kernel/canonical-json.ts';
import type { Attachments } from '../kernel/decider.ts';
import { ok, refuse, type JsonObject, type Refused, type Result } from '../kernel/refusal.ts';
import { readCheckpointNote } from '../ledger/checkpoint.ts';
import { parseEntry } from '../ledger/entry.ts';
import { leafHash } from '../ledger/merkle.ts';
import { StoreFailure, type LedgerStore } from '../ledger/store.ts';
import { parseCommand, type Command, type CommandOf } from '../lifecycle/command.ts';
import type { LifecycleEvent } from '../lifecycle/event.ts';
import { genesisStatement, originOf, readGenesis } from '../lifecycle/genesis.ts';
import { lifecycle } from '../lifecycle/lifecycle.ts';
import type { State } from '../lifecycle/state.ts';
import { recordLoss, type AcceptedLoss } from './accepted-loss.ts';
import { privateKeyFromSeed, readLogSeed } from './log-key.ts';

/** The one tenant of a data folder. */
export const tenant = 'main';

export type LedgerSequencer = Sequencer<State, Command & JsonObject, LifecycleEvent & JsonObject>;

/** A ledger that decides, out of its data folder. */
export type RunningLedger = {
  readonly dir: string;
  readonly store: LedgerStore;
  readonly sequencer: LedgerSequencer;
  readonly signer: NoteSigner;
  /** Where the newest cosigned note is kept: beside the mark. */
  readonly cosignedFile: string;
  /** Known to every server that has this ledger's log key, and to nobody else. */
  readonly commonSecret: Uint8Array;
  /** Answers what is waiting, then closes the store and lets go of the folder. */
  readonly close: () => Promise<void>;
};

export type OpenOptions = {
  /** An open store instead of the folder's own, such as one that several servers share. It is closed with the ledger. */
  readonly store?: LedgerStore;
  /** Where the mark is kept; by default `DIR/mark/main.json`. */
  readonly markFile?: string;
  /** Take a ledger whose mark is gone, such as one that was restored on another machine on purpose. */
  readonly acceptMissingMark?: boolean;
  /** Believe the clock although it is more than 24 hours after the last entry. */
  readonly acceptTimeJump?: boolean;
  /** The same, said with the size at which the ledger ends; another size refuses the start. */
  readonly acceptLoss?: number;
  /** A ledger was taken without its mark. It is written into the folder as well. */
  readonly onLoss?: (loss: AcceptedLoss) => void;
  /** Checkpoints that are kept elsewhere: a ledger that contradicts one is quarantined. */
  readonly remembered?: readonly Remembered[];
  readonly now?: () => number;
  /** How far the look at the whole ledger has come. */
  readonly onLook?: (progress: LookedAt) => void;
  /** The ledger is damaged: reads and export go on, nothing is appended. */
  readonly onAlert?: (quarantine: Quarantine) => void;
  /** The process must end: what is durable is unknown, or an invariant broke. */
  readonly fatal?: (error: unknown) => void;
};

/** Where things lie in a data folder. */
export const pathsOf = (dir: string) => ({
  store: join(dir, 'ledger'),
  logKey: join(dir, 'log.key'),
  mark: join(dir, 'mark', `${tenant}.json`),
});

const sayAlert = ({ index, what }: Quarantine): void => {
  process.stderr.write(`${JSON.stringify({ level: 'alert', event: 'quarantine', index, what })}\n`);
};

// Nothing after this may be answered as if it were durable, so the process ends at once.
const endProcess = (error: unknown): void => {
  const why = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${JSON.stringify({ level: 'fatal', event: 'ledger-unavailable', why })}\n`);
  process.exit(6);
};

/** What a new ledger is founded on: the genesis as its founders signed it, and the documents that it names. */
export type Founding = {
  readonly genesis: CommandOf<'Genesis'>;
  /** Roster and policy, by digest. */
  readonly attachments: Attachments;
  /** Seed of the Ed25519 key whose public half the genesis names as `log_key`. */
  readonly logSeed: Uint8Array;
  readonly now?: () => number;
};

/**
 * Writes a new data folder that holds the genesis entry (SPEC H8). It is built beside its place and moved there whole,
 * so that a crash leaves no half ledger. Refuses a folder that is there already and not empty.
 */
export const foundLedger = async (
  dir: string,
  { genesis, attachments, logSeed, now = Date.now }: Founding,
): Promise<Result<{ readonly ledger: string; readonly origin: string }>> => {
  const read = readGenesis(genesis, attachments);
  if (!read.ok) return read;
  const { identity, statement } = read.value;
  const signer = noteSigner(identity.origin, logSeed);
  if (encodeBase64(signer.publicKey) !== statement.log_key) return keyMismatch('the log key given');
  const place = resolve(dir);
  if (!isFree(place))
    return refuse('folder-exists', 'H8', `the folder \`${dir}\` is there already`, { dir }, 'name a new folder');
  mkdirSync(dirname(place), { recursive: true });
  const build = mkdtempSync(join(dirname(place), `.${basename(place)}-`));
  try {
    const paths = pathsOf(build);
    const key = formatOpenSshPrivateKey(privateKeyFromSeed(logSeed), `log key of ${identity.origin}`);
    writeFileSync(paths.logKey, key, { mode: 0o600, flag: 'wx' });
    const written = await writeGenesis(paths.store, signer, markFile(paths.mark), now, genesis, attachments);
    if (!written.ok) return written;
    renameSync(build, place);
    return ok({ ledger: identity.ledger, origin: identity.origin });
  } finally {
    rmSync(build, { recursive: true, force: true });
  }
};

/** Nothing is there, or an empty folder. */
export const isFree = (dir: string): boolean => {
  try {
    return readdirSync(dir).length === 0;
  } catch (error) {
    return (error as { code?: unknown }).code === 'ENOENT';
  }
};

const writeGenesis = async (
  folder: string,
  signer: NoteSigner,
  mark: MarkKeeper,
  now: () => number,
  genesis: CommandOf<'Genesis'>,
  attachments: Attachments,
): Promise<Result<null>> => {
  const store = openSqliteStore(folder);
  if (!store.ok) return store;
  try {
    const started = await startSequencer({
      tenant,
      store: store.value,
      decider: lifecycle,
      origin: signer.name,
      signer,
      mark,
      now,
      onAlert: sayAlert,
      fatal: endProcess,
    });
    if (!started.ok) return started;
    const { decision } = await started.value.submit(genesis, { attachments });
    await started.value.close();
    return decision.kind === 'refused' ? { ok: false, refusal: decision.refusal } : ok(null);
  } finally {
    await store.value.close();
  }
};

export const keyMismatch = (file: string): Refused =>
  refuse(
    'log-key-mismatch',
    'H8',
    `${file} is not the key that the genesis names`,
    { file },
    'put back the log key that belongs to this ledger',
  );

const noLedger = (dir: string): Refused =>
  refuse(
    'ledger-missing',
    'H8',
    `there is no ledger in \`${dir}\``,
    { dir },
    'found one with `countersign init`, or look at `--dir`',
  );

/**
 * Opens the ledger of a data folder and starts deciding. A damaged one starts in quarantine: it reads and exports, and
 * refuses commands with `ledger-quarantined`. Refuses when there is no ledger, another process has it, or the log key
 * does not fit.
 */
export const openLedger = async (dir: string, options: OpenOptions = {}): Promise<Result<RunningLedger>> => {
  const paths = pathsOf(dir);
  if (options.store === undefined && isFree(paths.store)) return noLedger(dir);
  const seed = readLogSeed(paths.logKey);
  if (!seed.ok) return seed;
  const store = options.store === undefined ? openSqliteStore(paths.store, { ownThread: true }) : ok(options.store);
  if (!store.ok) return store;
  const markAt = options.markFile ?? paths.mark;
  const started = await startIn(dir, store.value, seed.value, markAt, options);
  if (!started.ok) await store.value.close();
  return started;
};

const startIn = async (
  dir: string,
  store: LedgerStore,
  seed: Uint8Array,
  markAt: string,
  options: OpenOptions,
): Promise<Result<RunningLedger>> => {
  const mark = markFile(markAt);
  const begun = await beginningOf(store, mark);
  if (begun === undefined) return noLedger(dir);
  const signer = noteSigner(begun.origin, seed);
  if (begun.logKey !== null && encodeBase64(signer.publicKey) !== begun.logKey)
    return keyMismatch(`\`${join(dir, 'log.key')}\``);
  const { acceptLoss } = options;
  const shorter = acceptLoss === undefined ? undefined : await endsElsewhere(store, acceptLoss);
  if (shorter !== undefined) return shorter;
  let loss: AcceptedLoss | undefined;
  const started = await startSequencer({
    tenant,
    store,
    decider: lifecycle,
    origin: begun.origin,
    signer,
    mark: wordFirst(dir, mark, options, (said) => {
      loss = said;
    }),
    now: options.now ?? Date.now,
    onAlert: options.onAlert ?? sayAlert,
    fatal: options.fatal ?? endProcess,
    acceptMissingMark: options.acceptMissingMark ?? acceptLoss !== undefined,
    acceptTimeJump: options.acceptTimeJump ?? false,
    remembered: options.remembered ?? [],
    ...(options.onLook === undefined ? {} : { onLook: options.onLook }),
  });
  if (!started.ok) return started;
  const sequencer = started.value;
  if (loss !== undefined) (options.onLoss ?? sayLoss)(loss);
  const close = async (): Promise<void> => {
    await sequencer.close();
    await store.close();
  };
  const commonSecret = createHmac('sha256', seed).update('countersign servers of one ledger').digest();
  const cosignedFile = `${markAt.replace(/\.json$/, '')}.cosigned`;
  return ok({ dir, store, sequencer, signer, cosignedFile, commonSecret, close });
};

/**
 * Where there is no mark, one is only ever written because somebody said so (SPEC L28): their word is kept before it, so
 * that a process that ends in between has to be told again.
 */
const wordFirst = (
  dir: string,
  mark: MarkKeeper,
  { now = Date.now }: OpenOptions,
  onLoss: (loss: AcceptedLoss) => void,
): MarkKeeper => {
  const marked = mark.read();
  let kept = !marked.ok || marked.value !== undefined;
  return {
    read: mark.read,
    write: async (next) => {
      if (!kept) {
        const loss = { accepted_at: instantFromMs(now()), root: next.root, size: next.size };
        const unkept = recordLoss(dir, loss);
        if (unkept !== undefined) throw new StoreFailure(unkept.refusal, 'nothing-written');
        kept = true;
        onLoss(loss);
      }
      await mark.write(next);
    },
  };
};

const sayLoss = ({ size, root }: AcceptedLoss): void => {
  process.stderr.write(`${JSON.stringify({ level: 'alert', event: 'loss-accepted', size, root })}\n`);
};

const endsElsewhere = async (store: LedgerStore, said: number): Promise<Refused | undefined> => {
  let size: number;
  try {
    ({ size } = await store.head(tenant));
  } catch (error) {
    if (error instanceof StoreFailure) return { ok: false, refusal: error.refusal };
    throw error;
  }
  if (size === said) return undefined;
  return refuse(
    'ledger-damaged',
    'L28',
    `the ledger ends at size ${size}, and \`--accept-loss\` says ${said}`,
    { size, said },
    'look what is missing with `countersign ledger restore`, then say the size at which it ends',
  );
};

type Beginning = { readonly origin: string; readonly logKey: string | null };

// A first entry that was changed must not name the key it is judged by; then the mark outside says which log this is.
const beginningOf = async (store: LedgerStore, mark: MarkKeeper): Promise<Beginning | undefined> => {
  const genesis = await readFirst(store);
  if (genesis !== undefined) return { origin: originOf(genesis), logKey: genesis.log_key };
  const marked = mark.read();
  const note = marked.ok ? marked.value?.checkpoint : undefined;
  const checkpoint = note === undefined ? undefined : readCheckpointNote(note);
  return checkpoint?.ok === true ? { origin: checkpoint.value.origin, logKey: null } : undefined;
};

const readFirst = async (store: LedgerStore) => {
  try {
    const [stored] = await store.entries(tenant, 0, 1);
    if (stored === undefined || leafHash(stored.bytes) !== stored.leafHash) return undefined;
    const entry = parseEntry(stored.bytes);
    const command = entry.ok ? parseCommand(entry.value.command) : undefined;
    if (command?.ok !== true || command.value.type !== 'Genesis') return undefined;
    const parsed = parseCanonical(command.value.statement);
    const statement = parsed.ok ? genesisStatement(parsed.value, '') : parsed;
    return statement.ok ? statement.value : undefined;
  } catch (error) {
    if (error instanceof StoreFailure) return undefined;
    throw error;
  }
};
