// SPDX-License-Identifier: Apache-2.0
import { httpStatusOf } from '../contract/code-table.ts';
import type { Problem } from '../contract/api.ts';
import type { Refusal } from '../kernel/refusal.ts';

/** What is sent back. */
export type Reply = {
  readonly status: number;
  readonly type: string;
  readonly body: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  /** Code of the refusal it carries; for figures and the log. */
  readonly code?: string;
};

export const json = (value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status,
  type: 'application/json',
  body: JSON.stringify(value),
  headers,
});

export const text = (body: string, type = 'text/plain; charset=utf-8', status = 200): Reply => ({ status, type, body });

const titleOf = (code: string): string => `${code.slice(0, 1).toUpperCase()}${code.slice(1).replaceAll('-', ' ')}`;

/** What HTTP wants beside the body of a refusal. */
export const extraHeaders = (refusal: Refusal): Readonly<Record<string, string>> => {
  if (refusal.code === 'sign-in-needed') return { 'www-authenticate': 'Bearer' };
  if (refusal.code === 'overloaded') return { 'retry-after': '1' };
  if (refusal.code === 'ledger-opening') return { 'retry-after': '5' };
  return refusal.code === 'method-wrong' ? { allow: String(refusal.facts['allow'] ?? '') } : {};
};

export const problemOf = (refusal: Refusal, index: number | null): Problem => {
  const { code, rule, message, facts, help } = refusal;
  const problem = {
    type: `urn:countersign:refusal:${code}`,
    title: titleOf(code),
    status: httpStatusOf(code),
    code,
    rule,
    detail: message,
    facts,
    index,
  };
  return help === undefined ? problem : { ...problem, help };
};

/** A refusal as RFC 9457 has it. `index` is that of the entry that records it, null when none does. */
export const problemReply = (refusal: Refusal, index: number | null = null): Reply => {
  const problem = problemOf(refusal, index);
  return {
    status: problem.status,
    type: 'application/problem+json',
    body: JSON.stringify(problem),
    headers: extraHeaders(refusal),
    code: refusal.code,
  };
};
