// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { ok, refuse, type Refused, type Result } from '../../kernel/refusal.ts';

const withinMs = 10_000;
const maxOutput = 64 * 1024 * 1024;

export const gitFailed = (repository: string, why: string): Refused =>
  refuse(
    'fact-source-failed',
    'G4',
    `git could not read \`${repository}\`: ${why}`,
    { repository },
    'look at `git.repository` in `countersign.yaml`: a repository of this machine that the server owns and may read',
  );

// Nothing that a repository, a user or a system configured may run or fetch anything here: no replaced objects, no
// network, no prompt, no locks, no configuration but the repository's own, and of that nothing that names a program.
const settings = [
  '--no-replace-objects',
  '--no-optional-locks',
  '-c',
  'protocol.allow=never',
  '-c',
  'core.fsmonitor=false',
  '-c',
  'core.hooksPath=/dev/null',
];
const environment = (): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  HOME: '/nonexistent',
  LC_ALL: 'C',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_NO_LAZY_FETCH: '1',
  GIT_NO_REPLACE_OBJECTS: '1',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_TERMINAL_PROMPT: '0',
});

export type GitOutput = { readonly code: number; readonly stdout: Buffer; readonly stderr: string };

/** Runs the real `git` on one repository, without a shell. Gives exit code and output; refuses when it cannot run. */
export const runGit = (repository: string, args: readonly string[], input?: string): Promise<Result<GitOutput>> =>
  new Promise((resolve) => {
    const child = spawn('git', [...settings, '-C', repository, ...args], {
      env: environment(),
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: withinMs,
      killSignal: 'SIGKILL',
      windowsHide: true,
    });
    const out: Buffer[] = [];
    let [length, errors] = [0, ''];
    child.stdout.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= maxOutput) out.push(chunk);
      else child.kill('SIGKILL');
    });
    child.stderr.on('data', (chunk: Buffer) => {
      if (errors.length < 2000) errors += chunk.toString('utf8');
    });
    child.on('error', (error: NodeJS.ErrnoException) =>
      resolve(
        gitFailed(repository, error.code === 'ENOENT' ? 'there is no `git` on this machine' : 'it did not start'),
      ),
    );
    child.on('close', (code) => {
      if (length > maxOutput) resolve(gitFailed(repository, `it said more than ${maxOutput} bytes`));
      else if (code === null) resolve(gitFailed(repository, `it took more than ${withinMs} ms`));
      else resolve(ok({ code, stdout: Buffer.concat(out), stderr: errors.trim().split('\n').at(-1) ?? '' }));
    });
    // A git that ended early does not read its input; its exit code says why.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input ?? '');
  });
