// SPDX-License-Identifier: Apache-2.0
// Runs the real command line as a process of its own, with an environment that holds nothing of whoever runs the tests.
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { join } from 'node:path';

const main = join(import.meta.dirname, '../../src/cli/main.ts');

export type Ran = { readonly code: number | null; readonly stdout: string; readonly stderr: string };
export type RunOptions = {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string;
};

export const startCli = (args: readonly string[], { env = {}, cwd }: RunOptions = {}): ChildProcessWithoutNullStreams =>
  spawn(process.execPath, [main, ...args], {
    cwd,
    env: { PATH: process.env['PATH'] ?? '', NO_COLOR: '1', GIT_CONFIG_GLOBAL: '/dev/null', ...env },
  });

export const runCli = async (args: readonly string[], options: RunOptions = {}): Promise<Ran> => {
  const child = startCli(args, options);
  const [out, err]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  child.stdin.end(options.input ?? '');
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, stdout: Buffer.concat(out).toString('utf8'), stderr: Buffer.concat(err).toString('utf8') };
};
