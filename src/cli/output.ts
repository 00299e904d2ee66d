// SPDX-License-Identifier: Apache-2.0
import { styleText } from 'node:util';
import { exitCodeOf, isRefusalCode } from '../contract/code-table.ts';

/**
 * What a person or a script sees of the command line: data on stdout, everything else on stderr, and exit codes that
 * say what kind of "no" it was (see `countersign help`).
 */
export const exitCodes = {
  ok: 0,
  error: 1,
  usage: 2,
  denied: 3,
  signIn: 4,
  notFound: 5,
  unavailable: 6,
  verificationFailed: 7,
  pending: 8,
  timeout: 124,
  interrupted: 130,
} as const;

/** A refusal of ours, or a problem a server answered, whose code this version need not know. */
export type Failure = {
  readonly code: string;
  readonly message: string;
  readonly rule?: string;
  readonly facts?: object;
  readonly help?: string | undefined;
};

let json = false;

/** Set once by `main` when `--json` stands before any `--`: failures are then JSON on stderr. */
export const failInJson = (on: boolean): void => {
  json = on;
};

export type Style = Parameters<typeof styleText>[0];

/** Styles a text for stderr; plain where `NO_COLOR` is set or nobody is looking. */
export const styled = (style: Style, text: string): string => styleText(style, text, { stream: process.stderr });
/** The same for stdout. */
export const styledOut = (style: Style, text: string): string => styleText(style, text, { stream: process.stdout });

// oxlint-disable-next-line no-control-regex -- these are the characters that must not reach a terminal
const unsafe = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;

/** Makes characters visible that a terminal would obey or that turn the reading order (T9), other than line breaks. */
export const escaped = (text: string): string =>
  text.replace(unsafe, (character) => `\\u{${character.codePointAt(0)?.toString(16) ?? '?'}}`);

/** One line of data. */
export const print = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

/** One JSON document a line, so that a stream of them can be read as it comes. */
export const printJson = (value: unknown): void => print(JSON.stringify(value));

/** A line for the person at the terminal, on stderr. */
export const say = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

export const warn = (text: string): void => say(`${styled('yellow', 'warning:')} ${text}`);

const tell = (failure: Failure): void => {
  if (json) {
    process.stderr.write(`${JSON.stringify(failure)}\n`);
    return;
  }
  say(`${styled(['red', 'bold'], `error[${failure.code}]:`)} ${escaped(failure.message)}`);
  if (failure.help !== undefined) say(`  ${styled('cyan', 'help:')} ${escaped(failure.help)}`);
};

/** Tells of a refusal and ends the process with the exit code of its kind. */
export const fail: (failure: Failure) => never = (failure) => {
  tell(failure);
  process.exit(isRefusalCode(failure.code) ? exitCodeOf(failure.code) : exitCodes.error);
};

/** The command itself was wrong: ends the process with exit code 2. */
export const usage: (message: string, help?: string) => never = (message, help) => {
  tell(help === undefined ? { code: 'usage', message } : { code: 'usage', message, help });
  process.exit(exitCodes.usage);
};

/** Gives the value of a result, or fails with its refusal. */
export const orFail = <T>(
  result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly refusal: Failure },
): T => (result.ok ? result.value : fail(result.refusal));

/** Something that nobody expected: one clear line, the trace only on demand. */
export const broken: (error: unknown) => never = (error) => {
  const refusal = (error as { refusal?: Failure } | null)?.refusal;
  if (refusal !== undefined && typeof refusal.code === 'string') fail(refusal);
  const message = error instanceof Error ? error.message : String(error);
  tell({
    code: 'unexpected',
    message: message.split('\n')[0] ?? '',
    help: 'this is a defect of countersign or of its surroundings; `COUNTERSIGN_DEBUG=1` shows where it happened',
  });
  if (process.env['COUNTERSIGN_DEBUG'] === '1' && error instanceof Error) say(error.stack ?? '');
  process.exit(exitCodes.error);
};
