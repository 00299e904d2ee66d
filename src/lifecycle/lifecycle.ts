// SPDX-License-Identifier: Apache-2.0
import type { Decider } from '../kernel/decider.ts';
import type { JsonObject } from '../kernel/refusal.ts';
import type { Command } from './command.ts';
import { decide } from './decide.ts';
import type { LifecycleEvent } from './event.ts';
import { evolve } from './evolve.ts';
import { lifecycleSemantics } from './semantics.ts';
import { initialState, type State } from './state.ts';

/** The whole life of a request as one pure decider: what the sequencer runs, and what the verifier runs again. */
export const lifecycle = { initialState, decide, evolve, semantics: lifecycleSemantics } as unknown as Decider<
  State,
  Command & JsonObject,
  LifecycleEvent & JsonObject
>;
