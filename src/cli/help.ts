// SPDX-License-Identifier: Apache-2.0
import { Help, type Command } from 'commander';

const widest = 98;

// A long command goes on in the next line, before an option, the way it can be pasted.
const folded = (line: string): string => {
  if (line.length <= widest) return line;
  const split = line.lastIndexOf(' --', widest - 2);
  return split < 1 ? line : `${line.slice(0, split)} \\\n      ${folded(line.slice(split + 1))}`;
};

/** Adds an Examples block below the options. Lines that start with `#` are remarks. */
export const examples = (command: Command, ...lines: readonly string[]): Command =>
  command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  ${folded(line)}`).join('\n')}`);

const plain = new Help();

/** How help texts look: as wide as the terminal, at most 100 columns; that a switch is off by default needs no saying. */
export const helpLayout = () => ({
  helpWidth: Math.min(100, process.stdout.columns ?? 100),
  optionDescription: (option: Parameters<Help['optionDescription']>[0]): string =>
    plain.optionDescription(option).replace(/ ?\(?(?:, )?default: false\)?$/, ''),
});

/** What `countersign help` says below the verbs. */
export const exitCodeHelp = `
Data goes to stdout, the rest to stderr. \`countersign help VERB\` explains one verb.

Exit codes: 0 ok · 1 error · 2 usage · 3 denied by policy · 4 sign-in needed · 5 not found or conflict
            6 unavailable · 7 verification failed · 8 pending · 124 timeout · 130 interrupted`;
