// SPDX-License-Identifier: Apache-2.0
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { DemoEnded } from './steps.ts';

const main = join(import.meta.dirname, '..', 'cli', 'main.ts');

export type Ran = { readonly status: number; readonly stdout: string; readonly stderr: string };
export type RunOptions = {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
};

/** Runs a real program to its end, without a shell. */
export const runProgram = (command: string, args: readonly string[], options: RunOptions = {}): Ran => {
  const done = spawnSync(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    input: options.input ?? '',
    encoding: 'utf8',
    timeout: 60_000,
    maxBuffer: 64 * 1024 * 1024,
  });
  if (done.error !== undefined) throw new DemoEnded(`\`${command}\` cannot be run: ${done.error.message}`);
  return { status: done.status ?? 1, stdout: done.stdout, stderr: done.stderr };
};

/** The same for something that must succeed. */
export const mustRun = (command: string, args: readonly string[], options: RunOptions = {}): string => {
  const { status, stdout, stderr } = runProgram(command, args, options);
  if (status === 0) return stdout;
  throw new DemoEnded(
    `\`${command} ${args.slice(0, 4).join(' ')} …\` ended with ${status}: ${(stderr || stdout).trim()}`,
  );
};

/** This very command line, as a user would call it. */
export const countersign = (args: readonly string[], options: RunOptions = {}): Ran =>
  runProgram(process.execPath, [main, ...args], options);

/** A server or target in a process of its own; stopped by its own id. */
export type Running = { readonly child: ChildProcess; readonly stop: (signal?: NodeJS.Signals) => Promise<void> };

export type Started = Running & { readonly match: RegExpExecArray; readonly output: () => string };

/** Starts this command line in the background and waits until its output matches. */
export const startCountersign = (args: readonly string[], ready: RegExp): Promise<Started> =>
  startNode([main, ...args], ready);

/** Starts a program of ours in a process of its own. */
export const startNode = async (args: readonly string[], ready: RegExp): Promise<Started> => {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const name = args.slice(0, 2).join(' ');
  let output = '';
  const ended = new Promise<void>((done) => {
    child.once('exit', () => done());
  });
  const match = await new Promise<RegExpExecArray>((resolve, reject) => {
    const late = setTimeout(() => reject(new DemoEnded(`\`${name}\` did not start within 30 s: ${output}`)), 30_000);
    const look = (chunk: Buffer): void => {
      output = `${output}${chunk.toString('utf8')}`.slice(-200_000);
      const found = ready.exec(output);
      if (found === null) return;
      clearTimeout(late);
      resolve(found);
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    child.once('exit', (code) => {
      clearTimeout(late);
      reject(new DemoEnded(`\`${name}\` ended with ${code}: ${output}`));
    });
  });
  return {
    child,
    match,
    output: () => output,
    stop: async (signal = 'SIGTERM') => {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      await ended;
    },
  };
};
