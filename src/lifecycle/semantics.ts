// SPDX-License-Identifier: Apache-2.0
import type { Rules, Semantics } from '../kernel/decider.ts';
import type { JsonObject } from '../kernel/refusal.ts';
import type { Command } from './command.ts';
import { decide } from './decide.ts';
import type { LifecycleEvent } from './event.ts';
import { evolve } from './evolve.ts';
import type { State } from './state.ts';

type LifecycleRules = Rules<State, Command & JsonObject, LifecycleEvent & JsonObject>;

/** Number of the rules that this release decides new entries by. */
export const semantics = 0;

/**
 * Every way to decide that was ever released, by the number that entries carry (SPEC L24). A release that decides
 * anything differently keeps the old functions under their number and adds its own under the next; the ledgers in
 * `spec/ledgers/` hold each of them to what it said.
 */
export const lifecycleSemantics: Semantics<State, Command & JsonObject, LifecycleEvent & JsonObject> = {
  released: new Map([[semantics, { decide, evolve } as unknown as LifecycleRules]]),
  // Whoever adds a number adds the governed entry that puts it in force, and reads it from the state here.
  inForce: () => semantics,
};
