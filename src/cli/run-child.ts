// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import type { Writable } from 'node:stream';

export type ChildParts = {
  readonly argv: readonly string[];
  readonly cwd: string;
  /** All that the child gets to see of the environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: string | null;
  /** Secret text for file descriptor 3, or null. */
  readonly descriptor: string | null;
  /** Everything it prints goes here as well. */
  readonly outputFile: string;
};
export type ChildEnd = {
  /** Exit code as shells give it: 128 and the signal's number when a signal ended it; 127 when it could not start. */
  readonly status: number;
  readonly exitCode: number | null;
  readonly output: string;
  readonly failed: string | null;
};

const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;

/** Catches signals from now on, so that none ends this process between the use of a permit and its report. */
export const catchSignals = () => {
  let early: NodeJS.Signals | null = null;
  let target: ((signal: NodeJS.Signals) => void) | null = null;
  const handle = (signal: NodeJS.Signals): void => {
    if (target === null) early ??= signal;
    else target(signal);
  };
  for (const signal of forwarded) process.on(signal, handle);
  return {
    /** The first signal that came while there was no child. */
    early: (): NodeJS.Signals | null => early,
    to: (next: (signal: NodeJS.Signals) => void): void => {
      target = next;
    },
    release: (): void => {
      for (const signal of forwarded) process.off(signal, handle);
    },
  };
};
export type SignalCatch = ReturnType<typeof catchSignals>;

/** Runs the command once, without a shell, and keeps a digest of what it printed. */
export const runChild = async (parts: ChildParts, signals: SignalCatch): Promise<ChildEnd> => {
  const [program = '', ...args] = parts.argv;
  const stdin = parts.stdin === null ? ('ignore' as const) : openSync(parts.stdin, 'r');
  const log = openSync(parts.outputFile, 'wx', 0o600);
  const hash = createHash('sha256');
  const keep = (chunk: Buffer): void => {
    hash.update(chunk);
    for (let at = 0; at < chunk.length; ) at += writeSync(log, chunk, at);
  };
  const child = spawn(program, args, {
    cwd: parts.cwd,
    env: { ...parts.env },
    stdio: [stdin, 'pipe', 'pipe', ...(parts.descriptor === null ? [] : (['pipe'] as const))],
  });
  signals.to((signal) => child.kill(signal));
  const early = signals.early();
  if (early !== null) child.kill(early);
  const secret = child.stdio[3] as Writable | null | undefined;
  secret?.on('error', () => {});
  secret?.end(parts.descriptor ?? '');
  for (const [from, to] of [
    [child.stdout, process.stdout],
    [child.stderr, process.stderr],
  ] as const) {
    from?.on('data', keep);
    from?.pipe(to, { end: false });
  }
  const end = await new Promise<Omit<ChildEnd, 'output'>>((resolve) => {
    child.on('error', (error) => resolve({ status: 127, exitCode: null, failed: error.message }));
    child.on('close', (code, signal) =>
      resolve({
        status: code ?? 128 + (signal === null ? 0 : constants.signals[signal]),
        exitCode: code,
        failed: signal === null ? null : `ended by ${signal}`,
      }),
    );
  });
  if (typeof stdin === 'number') closeSync(stdin);
  fsyncSync(log);
  closeSync(log);
  return { ...end, output: `sha256:${hash.digest('hex')}` };
};
