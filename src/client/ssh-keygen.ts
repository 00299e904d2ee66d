// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { dearmorSignature } from '../crypto/sshsig.ts';
import { refuse, type Result } from '../kernel/refusal.ts';

export type KeygenSigning = {
  readonly path: string;
  readonly message: string;
  readonly namespace: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly input: boolean;
};

/**
 * Lets `ssh-keygen -Y sign` sign: for keys behind a passphrase, which it asks for at the terminal, and for security
 * keys, which it asks to be touched. The message goes through its standard input, never through a file or argument.
 */
export const keygenSign = async ({
  path,
  message,
  namespace,
  env,
  input,
}: KeygenSigning): Promise<Result<Uint8Array>> => {
  // Without input nothing may wait for a person: `false` as askpass program answers every question with "no".
  const quiet = input ? {} : { SSH_ASKPASS: 'false', SSH_ASKPASS_REQUIRE: 'force' };
  const child = spawn('ssh-keygen', ['-Y', 'sign', '-f', path, '-n', namespace], {
    env: { ...env, ...quiet },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const [out, told]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => {
    told.push(chunk);
    if (input) process.stderr.write(chunk);
  });
  child.stdin.on('error', () => {});
  child.stdin.end(message);
  const ended = await new Promise<number | string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'ended'));
  });
  if (ended === 0) return dearmorSignature(Buffer.concat(out).toString('latin1'));
  const why = typeof ended === 'string' ? ended : Buffer.concat(told).toString('utf8').trim().split('\n').at(-1);
  return refuse(
    'signer-unavailable',
    'W6',
    `\`ssh-keygen\` did not sign with \`${path}\`: ${why === undefined || why === '' ? `exit ${ended}` : why}`,
    {},
    input
      ? 'give the right passphrase, or touch the security key when it blinks'
      : 'add the key to an agent with `ssh-add` and use `--key agent`, or leave out `--no-input`',
  );
};
