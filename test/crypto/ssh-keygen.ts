// SPDX-License-Identifier: Apache-2.0
// The real ssh-keygen, in a folder of its own.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const run = (
  args: readonly string[],
  input: string | Uint8Array = '',
): { readonly ok: boolean; readonly stdout: Buffer; readonly said: string } => {
  const done = spawnSync('ssh-keygen', args, { input });
  if (done.error !== undefined) throw new Error(`ssh-keygen cannot be run: ${done.error.message}`);
  return { ok: done.status === 0, stdout: done.stdout, said: done.stderr.toString() };
};

let serial = 0;

/** Makes a key and gives the path of its private half. */
export const makeKey = (folder: string, type: string, more: readonly string[] = [], passphrase = ''): string => {
  serial += 1;
  const file = join(folder, `key-${serial}`);
  const made = run(['-q', '-t', type, ...more, '-N', passphrase, '-C', 'a comment', '-f', file]);
  assert.ok(made.ok, made.said);
  return file;
};

export const publicLineOf = (keyFile: string): string => readFileSync(`${keyFile}.pub`, 'utf8').trim();

/** Armored signature over a message, as `ssh-keygen -Y sign` writes it. */
export const keygenSign = (
  keyFile: string,
  namespace: string,
  message: string,
  more: readonly string[] = [],
): string => {
  const signed = run(['-Y', 'sign', '-f', keyFile, '-n', namespace, ...more], message);
  assert.ok(signed.ok, signed.said);
  return signed.stdout.toString();
};

export type KeygenClaim = {
  readonly line: string;
  readonly namespace: string;
  readonly message: string | Uint8Array;
  readonly armored: string;
};

/** What `ssh-keygen -Y verify` says. */
export const keygenVerify = (folder: string, { line, namespace, message, armored }: KeygenClaim): boolean => {
  serial += 1;
  const [signers, signature] = [join(folder, `signers-${serial}`), join(folder, `signature-${serial}`)];
  writeFileSync(signers, `someone ${line}\n`);
  writeFileSync(signature, armored);
  return run(['-Y', 'verify', '-f', signers, '-I', 'someone', '-n', namespace, '-s', signature], message).ok;
};

/** What `ssh-keygen -l` calls the key. */
export const keygenFingerprint = (keyFile: string): string =>
  run(['-l', '-f', keyFile]).stdout.toString().split(' ')[1] ?? '';
