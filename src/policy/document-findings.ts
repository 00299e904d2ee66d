// SPDX-License-Identifier: Apache-2.0
import { placeFinding, type Diagnostic, type Finding } from './diagnostic.ts';
import type { DocumentPath, SourceDocument } from './parse.ts';

/** Something wrong with a text that has a small grammar of its own; `at` is the character where it begins to be. */
export type TextProblem = {
  readonly code: Finding['code'];
  readonly message: string;
  readonly help: string;
  readonly at: number;
};
export type Reading<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: TextProblem };

export const read = <T>(value: T): Reading<T> => ({ ok: true, value });
export const unreadable = (code: Finding['code'], message: string, help: string, at = 0): Reading<never> => ({
  ok: false,
  problem: { code, message, help, at },
});

/** What was found wrong in one document, each at its place, so that one reading tells of all of it. */
export class DocumentFindings {
  readonly diagnostics: Diagnostic[] = [];
  private readonly source: SourceDocument;
  private readonly spoilt: DocumentPath[] = [];

  constructor(source: SourceDocument) {
    this.source = source;
  }

  /** Puts a finding at the value of a path, or at a character inside it. */
  add(path: DocumentPath, finding: Finding, at?: number): void {
    if (this.spoilt.some((bad) => bad.every((part, index) => part === path[index]))) return;
    const offset = at === undefined ? this.source.offsetOf(path) : this.source.offsetInText(path, at);
    this.place(offset, finding);
  }

  addAtKey(path: DocumentPath, finding: Finding): void {
    this.place(this.source.offsetOfKey(path), finding);
  }

  /** Whatever is still found at or below this path follows from what was said already, and is left unsaid. */
  spoil(path: DocumentPath): void {
    this.spoilt.push(path);
  }

  /** Takes a reading in: its value, or the fallback and a finding at the place of the text. */
  take<T>(path: DocumentPath, rule: string, reading: Reading<T>, fallback: T): T {
    if (reading.ok) return reading.value;
    const { at, ...problem } = reading.problem;
    this.add(path, { ...problem, rule }, at);
    return fallback;
  }

  private place(offset: number, finding: Finding): void {
    this.diagnostics.push(placeFinding(this.source.file, offset, finding));
  }
}
