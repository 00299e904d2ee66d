// SPDX-License-Identifier: Apache-2.0
import { isError, type Diagnostic } from '../policy/diagnostic.ts';
import { escaped, exitCodes, say, styled } from './output.ts';

const plural = (count: number, what: string): readonly string[] =>
  count === 0 ? [] : [`${count} ${what}${count === 1 ? '' : 's'}`];

/** How many problems and warnings there are, in words. */
export const countOf = (found: readonly Diagnostic[]): string => {
  const errors = found.filter(isError).length;
  return [...plural(errors, 'problem'), ...plural(found.length - errors, 'warning')].join(' and ');
};

/** A diagnostic for people: where, what, the line itself, and what to do. */
export const prettyDiagnostic = ({ severity, code, message, help, file, line, column, frame }: Diagnostic): string =>
  [
    `${styled([severity === 'error' ? 'red' : 'yellow', 'bold'], `${severity}[${code}]:`)} ${escaped(message)}`,
    `  ${styled('dim', '-->')} ${escaped(file)}:${line}:${column}`,
    ...frame.split('\n').map((text) => `  ${escaped(text)}`),
    ...(help === '' ? [] : [`  ${styled('cyan', 'help:')} ${escaped(help)}`]),
    '',
  ].join('\n');

// Workflow commands end at a line break and separate properties by commas and colons.
const command = (text: string): string => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
const property = (text: string): string => command(text).replaceAll(':', '%3A').replaceAll(',', '%2C');

/** A workflow command that GitHub shows as an annotation beside the line. */
export const githubDiagnostic = ({ severity, code, message, help, file, line, column }: Diagnostic): string =>
  `::${severity} file=${property(file)},line=${line},col=${column},title=${property(code)}::${command(`${message}\n${help}`)}`;

/** Shows all that is wrong with documents and ends with exit code 1. */
export const failWithDiagnostics: (found: readonly Diagnostic[]) => never = (found) => {
  for (const one of found) say(prettyDiagnostic(one));
  say(`${countOf(found)}; nothing was done.`);
  process.exit(exitCodes.error);
};
