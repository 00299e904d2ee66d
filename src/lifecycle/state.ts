// SPDX-License-Identifier: Apache-2.0
import type { Instant } from '../kernel/instant.ts';
import { emptyMap, type PersistentMap } from '../kernel/persistent-map.ts';
import { emptyEdge, rootOf, type Edge } from '../ledger/merkle.ts';
import type { CompiledPolicy } from '../policy/compiled.ts';
import type { RequestState } from '../request/request-state.ts';
import type { Debt } from '../review/debt.ts';
import { emptyRoster, type Roster } from '../roster/roster.ts';

/** Which ledger this is; null before genesis, when nothing else is possible. */
export type Identity = {
  readonly ledger: string;
  readonly tenant: string;
  readonly origin: string;
  readonly trial: boolean;
  /** Least number of persons that governance needs, for ever (SPEC N3); 1 on a trial. */
  readonly threshold: number;
};

/** Everything the ledger says, folded. Immutable: a batch that fails leaves the old state as it was. */
export type State = {
  readonly identity: Identity | null;
  readonly edge: Edge;
  /** By size, for the newest sizes, the tree's root or the edge that it is computed from; `rootAt` reads it. */
  readonly roots: PersistentMap<string | Edge>;
  readonly roster: Roster;
  readonly policy: CompiledPolicy | null;
  /** Number of the policy in force; only grows (C15). */
  readonly policyVersion: number;
  /** Leaf hash of the newest genesis, roster or policy entry. */
  readonly governance: string;
  /** Indexes of the genesis and of every roster or policy entry, ascending. */
  readonly governanceEntries: readonly number[];
  readonly requests: PersistentMap<RequestState>;
  /** Ids of requests that time may still change. */
  readonly open: PersistentMap<true>;
  /** Permit id to request id. */
  readonly permits: PersistentMap<string>;
  readonly debts: PersistentMap<Debt>;
  /** Digests of request statements, and of what was attested for them, that were used (G6). */
  readonly used: PersistentMap<true>;
  readonly refusals: PersistentMap<{ readonly hour: string; readonly count: number }>;
};

export const rootsKept = 4096;

export const initialState: State = {
  identity: null,
  edge: emptyEdge,
  roots: emptyMap<string | Edge>(),
  roster: emptyRoster,
  policy: null,
  policyVersion: 0,
  governance: '',
  governanceEntries: [],
  requests: emptyMap<RequestState>(),
  open: emptyMap<true>(),
  permits: emptyMap<string>(),
  debts: emptyMap<Debt>(),
  used: emptyMap<true>(),
  refusals: emptyMap<{ readonly hour: string; readonly count: number }>(),
};

/** Root of the tree at one of the newest sizes: what a vote's `seen` is held against. */
export const rootAt = ({ roots }: State, size: number): string | undefined => {
  const known = roots.get(String(size));
  return typeof known === 'object' ? rootOf(known) : known;
};

/** Whether an emergency's review is still owed. */
export const emergencyDebtOpen = (state: State): boolean => [...state.debts.values()].some((debt) => debt.emergency);

/** The hour an instant lies in, `2026-11-23T14`. */
export const hourOf = (time: Instant): string => time.slice(0, 13);
