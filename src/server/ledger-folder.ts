// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readAhead } from '../app/check-ahead.ts';
import { checkElsewhere } from '../app/check-elsewhere.ts';
import type { LogSigner } from '../app/log-signer.ts';
import { markFile, type MarkKeeper } from '../app/mark.ts';
import type { Quarantine } from '../app/quarantine.ts';
import type { Remembered } from '../app/remembered.ts';
import { startSequencer, type Sequencer } from '../app/sequencer.ts';
import type { LookedAt } from '../app/sequencer-start.ts';
import { encodeBase64 } from '../kernel/base64.ts';
import { instantFromMs } from '../kernel/instant.ts';
import { parseCanonical } from '../kernel/canonical-json.ts';
import { ok, refuse, type JsonObject, type Refused, type Result } from '../kernel/refusal.ts';
import { readCheckpointNote } from '../ledger/checkpoint.ts';
import { parseEntry } from '../ledger/entry.ts';
import { leafHash } from '../ledger/merkle.ts';
import { StoreFailure, type LedgerStore } from '../ledger/store.ts';
import { parseCommand, type Command } from '../lifecycle/command.ts';
import type { LifecycleEvent } from '../lifecycle/event.ts';
import { genesisStatement, originOf, type GenesisStatement } from '../lifecycle/genesis.ts';
import { lifecycle } from '../lifecycle/lifecycle.ts';
import type { State } from '../lifecycle/state.ts';
import { recordLoss, type AcceptedLoss } from './accepted-loss.ts';
import type { AgentTiming } from './log-agent.ts';
import { lostDatabase, whyLost } from './lost-database.ts';
import { commonSecretOf, findLogKey, logKeyFile, openLogKey, type LogKey } from './open-log-key.ts';
import { readServerConfig } from './server-config.ts';
import { openStoreOf, type StoreConfig } from './store-config.ts';

/** The one tenant of a data folder. */
export const tenant = 'main';

export type LedgerSequencer = Sequencer<State, Command & JsonObject, LifecycleEvent & JsonObject>;

/** A ledger that decides, out of its data folder. */
export type RunningLedger = {
  readonly dir: string;
  readonly store: LedgerStore;
  readonly sequencer: LedgerSequencer;
  readonly signer: LogSigner;
  /** Where the newest cosigned note is kept: beside the mark. */
  readonly cosignedFile: string;
  /** Known to every server that has this ledger's log key, and to nobody else; only where a store is shared. */
  readonly commonSecret: Uint8Array | undefined;
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
  /** How long an agent that holds the log key may take. */
  readonly agentTiming?: AgentTiming;
  /** The process must end: what is durable is unknown, or an invariant broke. */
  readonly fatal?: (error: unknown) => void;
};

/** Where things lie in a data folder. */
export const pathsOf = (dir: string) => ({
  store: join(dir, 'ledger'),
  mark: join(dir, 'mark', `${tenant}.json`),
});

/** For whoever has nothing else that listens. */
export const sayAlert = ({ index, what }: Quarantine): void => {
  process.stderr.write(`${JSON.stringify({ level: 'alert', event: 'quarantine', index, what })}\n`);
};

/** Nothing after this may be answered as if it were durable, so the process ends at once. */
export const endProcess = (error: unknown): void => {
  const why = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${JSON.stringify({ level: 'fatal', event: 'ledger-unavailable', why })}\n`);
  process.exit(6);
};

/** Nothing is there, or an empty folder. */
export const isFree = (dir: string): boolean => {
  try {
    return readdirSync(dir).length === 0;
  } catch (error) {
    return (error as { code?: unknown }).code === 'ENOENT';
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

/** Where a data folder's ledger lies, by its settings; refuses a folder that holds none. Opens nothing. */
export const findStore = (dir: string, { store }: Pick<OpenOptions, 'store'>): Result<StoreConfig | undefined> => {
  const config = readServerConfig(dir);
  if (!config.ok) return config;
  const { store: configured } = config.value;
  return store === undefined && configured === undefined && isFree(pathsOf(dir).store) ? noLedger(dir) : ok(configured);
};

/**
 * Opens the ledger of a data folder and starts deciding. A damaged one starts in quarantine: it reads and exports, and
 * refuses commands with `ledger-quarantined`. Refuses when there is no ledger, another process has it, or the log key
 * does not fit.
 */
export const openLedger = async (dir: string, options: OpenOptions = {}): Promise<Result<RunningLedger>> => {
  const paths = pathsOf(dir);
  const there = findStore(dir, options);
  if (!there.ok) return there;
  const configured = there.value;
  const logKey = findLogKey(dir);
  if (!logKey.ok) return logKey;
  const store = options.store === undefined ? await openStoreOf(dir, configured, true) : ok(options.store);
  if (!store.ok) return store;
  const markAt = options.markFile ?? paths.mark;
  const lost = await whyLost(store.value);
  const found = lost === undefined ? store.value : lostDatabase(store.value, lost, markFile(markAt));
  const started = await startIn(dir, found, logKey.value, markAt, { ...options, lost: lost !== undefined });
  if (started.ok) return started;
  await store.value.close();
  // Without a mark nothing says which ledger it was.
  return lost !== undefined && started.refusal.code === 'ledger-missing' ? { ok: false, refusal: lost } : started;
};

const startIn = async (
  dir: string,
  store: LedgerStore,
  logKey: LogKey,
  markAt: string,
  options: OpenOptions & { readonly lost: boolean },
): Promise<Result<RunningLedger>> => {
  const mark = markFile(markAt);
  const first = await readFirst(store);
  if (!first.ok) return first;
  const begun = beginningOf(first.value, mark);
  if (begun === undefined) return noLedger(dir);
  const opened = await openLogKey(begun.origin, logKey, options.agentTiming);
  if (!opened.ok) return opened;
  const signer = opened.value;
  if (begun.logKey !== null && encodeBase64(signer.publicKey) !== begun.logKey)
    return keyMismatch(
      'agent' in logKey ? `the agent's key \`${logKey.agent.fingerprint}\`` : `\`${logKeyFile(dir)}\``,
    );
  const { acceptLoss, lost } = options;
  // Where a database ends that cannot be opened is in nobody's word: it starts in quarantine, whatever was accepted.
  const shorter = acceptLoss === undefined || lost ? undefined : await endsElsewhere(store, acceptLoss);
  if (shorter !== undefined) return shorter;
  const commonSecret = store.shared === true ? await commonSecretOf(logKey, signer) : ok(undefined);
  if (!commonSecret.ok) return commonSecret;
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
    // The start looks at every signature there is: on all cores it is over sooner.
    reading: (source, size) =>
      readAhead(source, size, ({ envelope, namespace }) => checkElsewhere(envelope, namespace)),
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
  const cosignedFile = `${markAt.replace(/\.json$/, '')}.cosigned`;
  return ok({ dir, store, sequencer, signer, cosignedFile, commonSecret: commonSecret.value, close });
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
const beginningOf = (genesis: GenesisStatement | undefined, mark: MarkKeeper): Beginning | undefined => {
  if (genesis !== undefined) return { origin: originOf(genesis), logKey: genesis.log_key };
  const marked = mark.read();
  const note = marked.ok ? marked.value?.checkpoint : undefined;
  const checkpoint = note === undefined ? undefined : readCheckpointNote(note);
  return checkpoint?.ok === true ? { origin: checkpoint.value.origin, logKey: null } : undefined;
};

// A store that is damaged is looked at further on. One that cannot be reached says nothing of its ledger: neither that
// it is damaged, nor that there is none.
const readFirst = async (store: LedgerStore): Promise<Result<GenesisStatement | undefined>> => {
  try {
    const [stored] = await store.entries(tenant, 0, 1);
    if (stored === undefined || leafHash(stored.bytes) !== stored.leafHash) return ok(undefined);
    const entry = parseEntry(stored.bytes);
    const command = entry.ok ? parseCommand(entry.value.command) : undefined;
    if (command?.ok !== true || command.value.type !== 'Genesis') return ok(undefined);
    const parsed = parseCanonical(command.value.statement);
    const statement = parsed.ok ? genesisStatement(parsed.value, '') : parsed;
    return ok(statement.ok ? statement.value : undefined);
  } catch (error) {
    if (!(error instanceof StoreFailure)) throw error;
    const { refusal } = error;
    return store.shared === true && refusal.code !== 'store-corrupt' ? { ok: false, refusal } : ok(undefined);
  }
};
