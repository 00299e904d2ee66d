// SPDX-License-Identifier: Apache-2.0
import { parseJson } from '../kernel/canonical-json.ts';
import { refuse, type JsonObject } from '../kernel/refusal.ts';
import { isObject } from '../kernel/shape.ts';
import { maxFileBytes } from '../execute/permit-file.ts';
import { readPermitFile } from './beginnings.ts';
import { examineEvidence } from './evidence.ts';
import { Examination, examinePermit, type OpenedPermit } from './examine.ts';
import { guarded } from './history.ts';
import type { Limit, Verdict, VerifyOptions } from './verdict.ts';

/**
 * `countersign/verify`: what a stranger can check without the server. Pure; no clock, no network, no package.
 *
 *     import { readFileSync } from 'node:fs';
 *     import { verifyPermit } from 'countersign/verify';
 *
 *     const verdict = verifyPermit(readFileSync('permit.json'), { pin: 'sha256:4f1c…', minPersons: 2 });
 *     verdict.result; // 'PASS' or 'FAIL'
 *     verdict.reasons; // why it failed: code, rule, message, facts, help
 *     verdict.notProven; // what a PASS does not say: the operator's clock, facts that the server vouched for, …
 *
 * The pin is the digest of the ledger's genesis. It comes from the people who founded the ledger, never from the file or
 * the server: everything else in a file is judged from it. Nothing here throws, whatever the bytes are.
 */
export const verifyPermit = (bytes: string | Uint8Array, options: VerifyOptions): Verdict => {
  const opened = openPermit(bytes, options);
  return opened.verdict;
};

/** A verdict on a permit, and on `PASS` what it was derived from; for enforcement points. */
export const openPermit = (
  bytes: string | Uint8Array,
  options: VerifyOptions,
): { readonly verdict: Verdict; readonly opened: OpenedPermit | null } => {
  const exam = new Examination();
  const opened = safely(exam, () => examinePermit(exam, readPermitFile(bytes, options.pin), options));
  const limits: Limit[] = [...(opened?.limits ?? [])];
  if (options.now === undefined) limits.push({ code: 'expiry-not-judged', values: {} });
  limits.push({ code: 'consumption-not-in-file', values: {} });
  const verdict = verdictOf(exam, opened, limits, 'permitted');
  return { verdict, opened: verdict.result === 'PASS' ? (opened ?? null) : null };
};

/** A permit and what became of it: who used it, with what result, who looked at it afterwards. */
export const verifyEvidence = (bytes: string | Uint8Array, options: VerifyOptions): Verdict => {
  const exam = new Examination();
  const examined = safely(exam, () => examineEvidence(exam, bytes, options));
  return verdictOf(exam, examined?.opened, examined?.limits ?? [], examined?.outcome ?? null);
};

/** Either kind of file, told apart by its `type`. */
export const verifyFile = (bytes: string | Uint8Array, options: VerifyOptions): Verdict => {
  const type = typeOf(bytes);
  if (type === 'countersign.dev/evidence/v0') return verifyEvidence(bytes, options);
  return verifyPermit(bytes, options);
};

const typeOf = (bytes: string | Uint8Array): unknown => {
  const parsed = guarded(() => parseJson(bytes, { maxBytes: maxFileBytes }));
  return parsed.ok && isObject(parsed.value) ? parsed.value['type'] : undefined;
};

// Whatever was not foreseen is a FAIL: a reader that crashes on a crafted file is a reader that can be switched off.
const safely = <T>(exam: Examination, work: () => T | undefined): T | undefined => {
  try {
    return work();
  } catch {
    exam.fails('file', refuse('file-malformed', 'Y1', 'the file cannot be read', {}, 'fetch the file again'));
    return undefined;
  }
};

const verdictOf = (
  exam: Examination,
  opened: OpenedPermit | undefined,
  limits: readonly Limit[],
  outcome: string | null,
): Verdict => {
  const passed = opened !== undefined && exam.reasons.length === 0 && exam.checks.every((check) => check.ok);
  const { checks, reasons } = exam;
  if (!passed) {
    const why = reasons.length > 0 ? reasons : [refuse('file-malformed', 'Y1', 'the file is not complete').refusal];
    return { ...nothing, result: 'FAIL', reasons: why, checks };
  }
  const { permit, request } = opened;
  return {
    result: 'PASS',
    reasons: [],
    checks,
    proven: checks.map((check) => check.code),
    notProven: limits,
    permit,
    change: request.change,
    persons: permit.persons,
    grade: permit.enforced,
    outcome,
  };
};

const nothing = {
  proven: [],
  notProven: [],
  permit: null,
  change: null,
  persons: null,
  grade: null,
  outcome: null,
} as const;

export type { JsonObject };
export { openCase, type CaseOptions, type OpenedCase } from './open-case.ts';
export { caseFile, parseCaseFile, type CaseFile } from './case-file.ts';
export { blobsNamed, entriesFor, formatCaseFile, formatEvidence, formatPermitFile, type FileParts } from './collect.ts';
export { cosignedNotes, type WitnessedParts } from './collect-witnessed.ts';
export { formatVerdict, limitSentence, checkSentence } from './report.ts';
export { limitCodes } from './verdict.ts';
export type { Check, CheckCode, Expectations, Limit, LimitCode, Verdict, VerifyOptions } from './verdict.ts';
export type { OpenedPermit } from './examine.ts';
