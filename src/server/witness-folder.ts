// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lockFolder } from '../adapters/sqlite/folder-lock.ts';
import { syncFolder } from '../app/sync-folder.ts';
import {
  cosigner,
  cosignerVerifier,
  formatCosignerKey,
  parseCosignerKey,
  type Cosigner,
  type CosignerVerifier,
} from '../crypto/cosignature.ts';
import { formatOpenSshPrivateKey, generateEd25519, parseOpenSshPrivateKey } from '../crypto/openssh-private-key.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { parseWitnessedLogs } from '../ledger/witnessed-logs.ts';
import type { WitnessedLog } from '../ledger/witness.ts';
import { checkPrivate } from './log-key.ts';
import { originsName, WitnessState } from './witness-state.ts';

/**
 * The folder of a witness:
 *
 *     witness.key    its private key, an OpenSSH file that only its owner may read
 *     witness.vkey   its verifier key, for everybody
 *     logs           the logs it knows, see `witnessed-logs.ts`
 *     state/         what it cosigned last, see `witness-state.ts`
 */
export const witnessFiles = { key: 'witness.key', vkey: 'witness.vkey', logs: 'logs', state: 'state' } as const;

const listOfLogs = (logs: readonly string[]): string =>
  `# The logs that this witness cosigns: \`log\` and a verifier key a line. Start it again after a change.
# A Countersign ledger tells its own at /v1/ledger, as \`log_key\`.
${logs.map((vkey) => `log ${vkey}\n`).join('')}`;

const there = (dir: string): Refused =>
  refuse(
    'witness-state-damaged',
    'L20',
    `\`${dir}\` holds a witness already`,
    { dir },
    'name another folder: a key that was in use must never start again from nothing',
  );

/** Makes a witness with a new key; `logs` are verifier keys. */
export const makeWitnessFolder = (
  dir: string,
  name: string,
  logs: readonly string[],
  writeKey: (file: string, text: string) => void,
): Result<CosignerVerifier> => {
  const made = generateEd25519();
  const { x = '' } = made.signKey.export({ format: 'jwk' });
  const key = cosignerVerifier(name, Buffer.from(x, 'base64url'));
  if (!key.ok) return key;
  const list = listOfLogs(logs);
  const listed = parseWitnessedLogs(list);
  if (!listed.ok) return listed;
  if (Object.values(witnessFiles).some((file) => existsSync(join(dir, file)))) return there(dir);
  mkdirSync(join(dir, witnessFiles.state), { recursive: true, mode: 0o700 });
  writeKey(join(dir, witnessFiles.state, originsName), '');
  syncFolder(join(dir, witnessFiles.state));
  writeFileSync(join(dir, witnessFiles.logs), list);
  writeFileSync(join(dir, witnessFiles.vkey), `${formatCosignerKey(key.value)}\n`);
  writeKey(join(dir, witnessFiles.key), formatOpenSshPrivateKey(made, `witness key of ${name}`));
  syncFolder(dir);
  return key;
};

export type OpenWitness = {
  readonly key: Cosigner;
  readonly logs: readonly WitnessedLog[];
  readonly state: WitnessState;
  readonly release: () => void;
};

/** Opens a witness for one process (SPEC L9); refuses whatever is not as it was left (SPEC L20). */
export const openWitnessFolder = (dir: string): Result<OpenWitness> => {
  if (!existsSync(join(dir, witnessFiles.key)))
    return refuse(
      'witness-missing',
      'L20',
      `there is no witness in \`${dir}\``,
      { dir },
      'make one with `countersign witness init`, or look at `--dir`',
    );
  const key = readKey(dir);
  if (!key.ok) return key;
  const logs = readLogs(join(dir, witnessFiles.logs));
  if (!logs.ok) return logs;
  const lock = lockFolder(dir);
  if (!lock.ok) return lock;
  const state = WitnessState.open(join(dir, witnessFiles.state), key.value);
  if (state.ok)
    return ok({ key: key.value, logs: logs.value, state: state.value, release: () => lock.value.release() });
  lock.value.release();
  return state;
};

const wrongKey = (file: string, why: string): Refused =>
  refuse('log-key-mismatch', 'L20', `\`${file}\` ${why}`, { file }, 'put back what `countersign witness init` wrote');

const readKey = (dir: string): Result<Cosigner> => {
  const [keyFile, vkeyFile] = [join(dir, witnessFiles.key), join(dir, witnessFiles.vkey)];
  let [keyText, vkeyText] = ['', ''];
  try {
    const open = checkPrivate(keyFile);
    if (open !== undefined) return open;
    [keyText, vkeyText] = [readFileSync(keyFile, 'utf8'), readFileSync(vkeyFile, 'utf8')];
  } catch {
    return wrongKey(dir, `has a \`${witnessFiles.key}\` or \`${witnessFiles.vkey}\` that cannot be read`);
  }
  const key = parseOpenSshPrivateKey(keyText);
  if (!key.ok) return key;
  if (key.value.public.type !== 'ssh-ed25519') return wrongKey(keyFile, 'holds no Ed25519 key');
  const vkey = parseCosignerKey(vkeyText.replace(/\n$/, ''));
  if (!vkey.ok) return wrongKey(vkeyFile, 'is no verifier key');
  const { d = '' } = key.value.signKey.export({ format: 'jwk' });
  const own = cosigner(vkey.value.name, Buffer.from(d, 'base64url'));
  return formatCosignerKey(own) === formatCosignerKey(vkey.value) ? ok(own) : wrongKey(vkeyFile, 'is of another key');
};

const readLogs = (file: string): Result<readonly WitnessedLog[]> => {
  try {
    return parseWitnessedLogs(new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file)));
  } catch {
    return refuse(
      'config-malformed',
      'L20',
      `the list of logs \`${file}\` cannot be read, or is not UTF-8`,
      { file },
      'a witness knows the logs that stand there, and no others',
    );
  }
};
