// SPDX-License-Identifier: Apache-2.0
import { createInterface } from 'node:readline/promises';

/** Asks the person at the terminal for one line, on stderr, so that stdout stays data. Undefined when nobody is there. */
export const askPerson = async (question: string): Promise<string | undefined> => {
  if (!process.stdin.isTTY) return undefined;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await terminal.question(question)).trim();
  } finally {
    terminal.close();
  }
};
