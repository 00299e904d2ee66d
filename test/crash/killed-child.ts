// SPDX-License-Identifier: Apache-2.0
// Runs a program that is going to be killed, and keeps the lines it had written by then.
import { spawn, type ChildProcess } from 'node:child_process';

export type Killed = {
  readonly lines: readonly string[];
  readonly code: number | null;
  readonly signal: string | null;
};
export type Child = {
  readonly process: ChildProcess;
  readonly lines: readonly string[];
  readonly errors: () => string;
  /** Resolves with the first line of that beginning; rejects when the process ends before. */
  readonly line: (beginning: string) => Promise<string>;
  readonly ended: Promise<Killed>;
  readonly kill: () => Promise<Killed>;
};

export const startChild = (command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Child => {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  const lines: string[] = [];
  const waiting: { readonly beginning: string; readonly found: (line: string) => void }[] = [];
  let [rest, errors] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    for (const line of parts) {
      lines.push(line);
      for (const one of waiting) if (line.startsWith(one.beginning)) one.found(line);
    }
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    errors = (errors + chunk).slice(-4000);
  });
  const ended = new Promise<Killed>((resolve) => {
    child.once('close', (code, signal) => resolve({ lines, code, signal }));
  });
  return {
    process: child,
    lines,
    errors: () => errors,
    ended,
    line: (beginning) =>
      new Promise((found, failed) => {
        const known = lines.find((line) => line.startsWith(beginning));
        if (known !== undefined) return found(known);
        waiting.push({ beginning, found });
        void ended.then(() =>
          failed(new Error(`ended without \`${beginning}\`: ${lines.slice(-3).join(' | ')} ${errors}`)),
        );
      }),
    kill: () => {
      child.kill('SIGKILL');
      return ended;
    },
  };
};

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
/** How much longer the long run takes. */
export const long = process.env['COUNTERSIGN_LONG'] === '1';
