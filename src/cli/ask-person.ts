// SPDX-License-Identifier: Apache-2.0
import { createInterface } from 'node:readline/promises';
import { exitCodes, say } from './output.ts';

/** Asks the person at the terminal for one line, on stderr, so that stdout stays data. Undefined when nobody is there. Ctrl-C ends the command. */
export const askPerson = async (question: string): Promise<string | undefined> => {
  if (!process.stdin.isTTY) return undefined;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await terminal.question(question)).trim();
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ABORT_ERR') throw error;
    say('\nStopped. Nothing was signed.');
    return process.exit(exitCodes.interrupted);
  } finally {
    terminal.close();
  }
};
