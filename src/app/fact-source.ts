// SPDX-License-Identifier: Apache-2.0
import type { JsonValue, Result } from '../kernel/refusal.ts';

/** What an adapter is asked: the declared fact, and the value of the requester's fact it is derived from. */
export type FactQuestion = {
  readonly action: string;
  readonly fact: string;
  /** Name of the argument fact, such as `commit` in `git(commit)`. */
  readonly argument: string;
  readonly value: JsonValue;
};

/** `value` is null where the core derives the value from the evidence by itself. */
export type FactAnswer = {
  readonly value: JsonValue;
  readonly evidence: Uint8Array | null;
  /** What the target looked like before, as the adapter saw it; goes into the change's `from_state`. */
  readonly detail: { readonly [name: string]: JsonValue };
};

/**
 * Where facts come from that requesters don't give (the port of fact adapters). Trusted as far as the server: what it
 * says is marked `adapter` in the change, and a verifier says so. Refuses with a clear reason; never throws.
 */
export type FactSource = {
  /** As policy writes it: `git`, `file-digest`. */
  readonly name: string;
  readonly gather: (question: FactQuestion) => Promise<Result<FactAnswer>>;
};
