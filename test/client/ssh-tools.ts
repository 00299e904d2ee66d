// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder that is gone when the test is. */
export const scratch = (t: { after: (fn: () => void) => void }): string => {
  const folder = mkdtempSync(join(tmpdir(), 'cs-client-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

/** A key file that `ssh-keygen` itself wrote. */
export const makeKey = (folder: string, name: string, type: readonly string[], passphrase = ''): string => {
  const file = join(folder, name);
  execFileSync('ssh-keygen', ['-q', '-t', ...type, '-N', passphrase, '-C', name, '-f', file]);
  return file;
};

export const publicLine = (file: string): string =>
  execFileSync('ssh-keygen', ['-y', '-f', file], { encoding: 'utf8' }).trim().split(' ').slice(0, 2).join(' ');

/** Whether stock `ssh-keygen -Y verify` takes an armored signature. */
export const sshKeygenVerifies = (given: {
  readonly folder: string;
  readonly line: string;
  readonly namespace: string;
  readonly text: string;
  readonly armored: string;
}): boolean => {
  const signers = join(given.folder, 'allowed_signers');
  const signature = join(given.folder, 'text.sig');
  writeFileSync(signers, `somebody ${given.line}\n`);
  writeFileSync(signature, given.armored);
  try {
    execFileSync(
      'ssh-keygen',
      ['-Y', 'verify', '-f', signers, '-I', 'somebody', '-n', given.namespace, '-s', signature],
      {
        input: given.text,
        stdio: ['pipe', 'ignore', 'ignore'],
      },
    );
    return true;
  } catch {
    return false;
  }
};

/** A real agent on a socket of its own; ended by its process id. */
export const startAgent = async (
  t: { after: (fn: () => void) => void },
  folder: string,
  keys: readonly string[],
): Promise<string> => {
  const socket = join(folder, 'agent.sock');
  const agent: ChildProcess = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] });
  t.after(() => agent.kill('SIGTERM'));
  await new Promise((resolve) => agent.stdout?.once('data', resolve));
  for (const key of keys)
    execFileSync('ssh-add', ['-q', key], { env: { ...process.env, SSH_AUTH_SOCK: socket }, stdio: 'ignore' });
  return socket;
};
