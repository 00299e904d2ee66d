// SPDX-License-Identifier: Apache-2.0
import type { RefusalCode } from '../kernel/refusal-codes.ts';

/** A policy document as it was given: its name is what messages say, its text what positions count in. */
export type PolicyFile = { readonly name: string; readonly text: string };

/** Something wrong at a place in a policy document. Lines and columns count from 1. */
export type Diagnostic = {
  /** An error stops whatever was asked for; a warning is worth a look and stops nothing. */
  readonly severity: 'error' | 'warning';
  readonly code: RefusalCode;
  readonly rule: string;
  readonly message: string;
  readonly help: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The line in question with a mark under the place, for terminals. */
  readonly frame: string;
};

/** What is wrong, before anybody said where. */
export type Finding = Pick<Diagnostic, 'code' | 'rule' | 'message' | 'help'> & Partial<Pick<Diagnostic, 'severity'>>;

export const isError = ({ severity }: Diagnostic): boolean => severity === 'error';

const widest = 160;

/** Puts a finding at a character offset of a file. */
export const placeFinding = (file: PolicyFile, offset: number, finding: Finding): Diagnostic => {
  const before = file.text.slice(0, Math.min(offset, file.text.length));
  const line = before.split('\n').length;
  const column = before.length - before.lastIndexOf('\n');
  const text = (file.text.split('\n')[line - 1] ?? '').replaceAll('\t', ' ').slice(0, widest);
  const gutter = String(line);
  const frame = `${gutter} | ${text}\n${' '.repeat(gutter.length)} | ${' '.repeat(Math.min(column, widest) - 1)}^`;
  return { severity: 'error', ...finding, file: file.name, line, column, frame };
};

/** The nearest of some names to one that is not among them, or undefined when none is near. */
export const nearest = (name: string, known: readonly string[]): string | undefined => {
  // Nobody means a name of hundreds of letters, and comparing those would take long.
  if (name.length > 80) return undefined;
  let best: { readonly name: string; readonly distance: number } | undefined;
  for (const one of known) {
    const distance = editDistance(name, one);
    if (distance <= Math.max(1, Math.floor(name.length / 3)) && (best === undefined || distance < best.distance))
      best = { name: one, distance };
  }
  return best?.name;
};

export const didYouMean = (name: string, known: readonly string[]): string => {
  const near = nearest(name, known);
  if (near !== undefined) return `did you mean \`${near}\`?`;
  return known.length === 0 ? 'there is none yet' : `there are ${known.map((one) => `\`${one}\``).join(', ')}`;
};

/** Letters to add, drop, change or swap with a neighbour (optimal string alignment). */
const editDistance = (a: string, b: string): number => {
  let before: readonly number[] = [];
  let row: readonly number[] = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped =
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (before[j - 2] ?? 0) + 1 : replaced;
      next.push(Math.min(replaced, swapped, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
};

/** A diagnostic as terminals show it: place, code and message, the line with a mark under the place, what to do. */
export const formatDiagnostic = (one: Diagnostic): string =>
  `${one.file}:${one.line}:${one.column}: ${one.severity}[${one.code}]: ${one.message}\n${one.frame}\n  help: ${one.help}`;
