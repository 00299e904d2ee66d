// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { LogSigner } from '../app/log-signer.ts';
import { markFile, type MarkKeeper } from '../app/mark.ts';
import { startSequencer } from '../app/sequencer.ts';
import { formatOpenSshPrivateKey } from '../crypto/openssh-private-key.ts';
import { encodeBase64 } from '../kernel/base64.ts';
import type { Attachments } from '../kernel/decider.ts';
import { ok, refuse, type Result } from '../kernel/refusal.ts';
import type { CommandOf } from '../lifecycle/command.ts';
import { readGenesis } from '../lifecycle/genesis.ts';
import { lifecycle } from '../lifecycle/lifecycle.ts';
import { endProcess, isFree, keyMismatch, pathsOf, sayAlert, tenant } from './ledger-folder.ts';
import type { LogAgent } from './log-agent.ts';
import { privateKeyFromSeed } from './log-key.ts';
import { formatLogKeyConfig, logKeyFile, openLogKey, type LogKey } from './open-log-key.ts';
import { parseServerConfig } from './server-config.ts';
import { openStoreOf, type StoreConfig } from './store-config.ts';

/** What a new ledger is founded on: the genesis as its founders signed it, and the documents that it names. */
export type Founding = {
  readonly genesis: CommandOf<'Genesis'>;
  /** Roster and policy, by digest. */
  readonly attachments: Attachments;
  /** Text of the new folder's `countersign.yaml`; it may say that the ledger lies elsewhere. */
  readonly config?: string;
  readonly now?: () => number;
} & (
  | {
      /** Seed of the Ed25519 key whose public half the genesis names as `log_key`. */
      readonly logSeed: Uint8Array;
    }
  | {
      /** That key, in an agent: the folder's `countersign.yaml` will say so. */
      readonly logAgent: LogAgent;
    }
);

/**
 * Writes a new data folder that holds the genesis entry (SPEC H8). It is built beside its place and moved there whole,
 * so that a crash leaves no half ledger. Refuses a folder that is there already and not empty.
 */
export const foundLedger = async (
  dir: string,
  founding: Founding,
): Promise<Result<{ readonly ledger: string; readonly origin: string }>> => {
  const { genesis, attachments, now = Date.now } = founding;
  const read = readGenesis(genesis, attachments);
  if (!read.ok) return read;
  const { identity, statement } = read.value;
  const logKey: LogKey = 'logSeed' in founding ? { seed: founding.logSeed } : { agent: founding.logAgent };
  const opened = await openLogKey(identity.origin, logKey);
  if (!opened.ok) return opened;
  const signer = opened.value;
  if (encodeBase64(signer.publicKey) !== statement.log_key) return keyMismatch('the log key given');
  const text = configText(founding.config ?? '', logKey);
  if (!text.ok) return text;
  const config = parseServerConfig(text.value);
  if (!config.ok) return config;
  const place = resolve(dir);
  if (!isFree(place))
    return refuse('folder-exists', 'H8', `the folder \`${dir}\` is there already`, { dir }, 'name a new folder');
  mkdirSync(dirname(place), { recursive: true });
  const build = mkdtempSync(join(dirname(place), `.${basename(place)}-`));
  try {
    const paths = pathsOf(build);
    if ('seed' in logKey) keepLogKey(build, logKey.seed, identity.origin);
    if (text.value !== '') writeFileSync(join(build, 'countersign.yaml'), text.value, { mode: 0o600, flag: 'wx' });
    const written = await writeGenesis(
      build,
      config.value.store,
      signer,
      markFile(paths.mark),
      now,
      genesis,
      attachments,
    );
    if (!written.ok) return written;
    renameSync(build, place);
    return ok({ ledger: identity.ledger, origin: identity.origin });
  } finally {
    rmSync(build, { recursive: true, force: true });
  }
};

/** Writes the log key into a new folder. */
export const keepLogKey = (dir: string, seed: Uint8Array, origin: string): void => {
  const key = formatOpenSshPrivateKey(privateKeyFromSeed(seed), `log key of ${origin}`);
  writeFileSync(logKeyFile(dir), key, { mode: 0o600, flag: 'wx' });
};

/** The settings of the new folder: those that were given, and where the log key lies unless it is a file. */
const configText = (given: string, key: LogKey): Result<string> => {
  const config = parseServerConfig(given);
  if (!config.ok) return config;
  const named = config.value['log-key'];
  // A last line without an end would swallow the first of what is added.
  const lines = given === '' || given.endsWith('\n') ? given : `${given}\n`;
  if (named === undefined) return ok('agent' in key ? `${lines}${formatLogKeyConfig(key.agent)}` : given);
  if ('agent' in key && named.agent === key.agent.fingerprint) return ok(given);
  return refuse(
    'config-malformed',
    'H9',
    `\`countersign.yaml\` says that the log key is \`${named.agent}\` in an agent, and the ledger is founded with another`,
    { field: 'log-key', agent: named.agent },
    'give the same one with `--log-key agent:SHA256:…`, or take the field out',
  );
};

const writeGenesis = async (
  dir: string,
  config: StoreConfig | undefined,
  signer: LogSigner,
  mark: MarkKeeper,
  now: () => number,
  genesis: CommandOf<'Genesis'>,
  attachments: Attachments,
): Promise<Result<null>> => {
  const store = await openStoreOf(dir, config);
  if (!store.ok) return store;
  try {
    if ((await store.value.head(tenant)).size > 0)
      return refuse(
        'folder-exists',
        'H8',
        `${config === undefined ? 'the store' : `schema \`${config.schema ?? 'countersign'}\` of the store \`${config.postgres}\``} holds a ledger already`,
        {},
        'name another `schema` for a new one',
      );
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
    // Refused where somebody else founded at the same moment, whose ledger stands there now.
    await started.value.close({ keepCheckpoint: decision.kind === 'accepted' });
    return decision.kind === 'refused' ? { ok: false, refusal: decision.refusal } : ok(null);
  } finally {
    await store.value.close();
  }
};
