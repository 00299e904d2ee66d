// SPDX-License-Identifier: Apache-2.0
import type { Instant } from './instant.ts';
import type { JsonObject, Refusal } from './refusal.ts';

/** Where and when an entry stands: what `decide` may know of the outside world, and all it may know. */
export type Moment = {
  /** Zero-based index the entry will have in the tenant's ledger. */
  readonly index: number;
  /** Entry time: never runs back (SPEC L4). */
  readonly time: Instant;
};

/**
 * What `decide` says. `recorded` goes into the ledger: events of an accepted command, or the one
 * `CommandRefused` event of a refusal that policy wants on record. `refused` alone leaves no entry.
 */
export type Decision<Event> =
  | { readonly kind: 'accepted'; readonly events: readonly Event[] }
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly events: readonly Event[] };

/** One entry as the fold sees it. `leafHash` is the RFC 6962 leaf hash of its canonical bytes, in hex. */
export type FoldedEntry<Command, Event> = Moment & {
  readonly command: Command;
  readonly events: readonly Event[];
  readonly leafHash: string;
};

/**
 * The pure heart: same state, command and moment, same decision, for ever (INV12).
 * `attachments` are content-addressed blobs (`sha256:…` → bytes) that the command names by digest.
 */
export type Decider<State, Command extends JsonObject, Event extends JsonObject> = Rules<State, Command, Event> & {
  readonly initialState: State;
  /** All numbers that entries may name, and which is in force; without it there is only 0, and it is this. */
  readonly semantics?: Semantics<State, Command, Event>;
};

/** One way to decide and to fold. */
export type Rules<State, Command extends JsonObject, Event extends JsonObject> = {
  readonly decide: (state: State, command: Command, moment: Moment, attachments: Attachments) => Decision<Event>;
  readonly evolve: (state: State, entry: FoldedEntry<Command, Event>, attachments: Attachments) => State;
};

/** The rules of every release, by the number that entries carry (SPEC L24). */
export type Semantics<State, Command extends JsonObject, Event extends JsonObject> = {
  readonly released: ReadonlyMap<number, Rules<State, Command, Event>>;
  /** The number the next entry is decided under, by what the ledger says so far. */
  readonly inForce: (state: State) => number;
};

export type Attachments = ReadonlyMap<string, Uint8Array>;
