// SPDX-License-Identifier: Apache-2.0
import type { RefusalCode } from './refusal-codes.ts';

/** A value that canonical JSON can hold. Numbers are safe integers in signed documents (FORMATS §1). */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };
export type JsonObject = { readonly [key: string]: JsonValue };

/**
 * An expected "no". `code` is stable and machine-readable, `rule` names the numbered rule in `spec/SPEC.md`,
 * `message` is a lowercase fragment that names the input, `facts` are the values the decision looked at,
 * `help` says what to do next.
 */
export type Refusal = {
  readonly code: RefusalCode;
  readonly rule: string;
  readonly message: string;
  readonly facts: JsonObject;
  readonly help?: string;
};

export type Ok<T> = { readonly ok: true; readonly value: T };
export type Refused = { readonly ok: false; readonly refusal: Refusal };
export type Result<T> = Ok<T> | Refused;

export const ok = <T>(value: T): Ok<T> => ({ ok: true, value });

export const refuse = (
  code: RefusalCode,
  rule: string,
  message: string,
  facts: JsonObject = {},
  help?: string,
): Refused => ({
  ok: false,
  refusal: help === undefined ? { code, rule, message, facts } : { code, rule, message, facts, help },
});

/** A broken invariant: never expected, never caught inside the core; it stops the process rather than guess. */
export class BrokenInvariant extends Error {
  override readonly name = 'BrokenInvariant';
}
