// SPDX-License-Identifier: Apache-2.0
import type { Instant } from '../kernel/instant.ts';
import type { RequestStatement } from '../kernel/statements.ts';
import type { KeyLevel } from '../policy/compiled.ts';
import type { ChangeDocument } from './change-document.ts';
import type { Signed } from '../roster/authenticate.ts';
import type { Submission } from './submission.ts';

export type CastVote = {
  readonly person: string;
  readonly key: string;
  readonly decision: 'approve' | 'reject';
  readonly seats: readonly string[];
  readonly level: KeyLevel;
  readonly independent: boolean;
  readonly not_after: Instant;
  readonly revision: number;
  /** Ledger index and leaf hash of the entry that holds the signed vote. */
  readonly index: number;
  readonly leaf: string;
};

/** A seat and the vote that fills it, by the ledger index of the entry that holds the vote. */
export type FilledSeat = { readonly seat: string; readonly person: string; readonly index: number };

/** `pending → met → permitted → consumed → finished`, or one of the ends; no end is ever left (INV6). */
export type RequestStatus =
  | 'pending'
  | 'met'
  | 'permitted'
  | 'consumed'
  | 'finished'
  | 'refused'
  | 'withdrawn'
  | 'vetoed'
  | 'expired';

/** The single-use right to execute one change digest (FORMATS §6). */
export type Permit = {
  readonly type: 'countersign.dev/permit/v0';
  readonly ledger: string;
  readonly tenant: string;
  readonly permit: string;
  readonly request: string;
  readonly revision: number;
  readonly change: string;
  readonly action: string;
  readonly target: string;
  readonly content: string | null;
  readonly audience: string;
  readonly executor: { readonly key: string; readonly principal: string };
  readonly enforced: ChangeDocument['enforced'];
  readonly emergency: boolean;
  readonly consume: 'online' | 'offline';
  /** How many distinct persons fill seats; the requester is not among them. */
  readonly persons: number;
  readonly seats: readonly { readonly seat: string; readonly person: string; readonly vote: string }[];
  readonly gate_met_at: Instant;
  readonly issued_at: Instant;
  readonly expires_at: Instant;
  /** Leaf hash of the newest genesis, roster or policy entry; each of those names the one before. */
  readonly governance: string;
  /** Leaf hashes of the entries this permit rests on: the request, its revision, the counted votes. */
  readonly rests_on: readonly string[];
};

export type RequestState = {
  readonly id: string;
  readonly status: RequestStatus;
  readonly submission: Submission;
  readonly requester: Signed<RequestStatement>;
  readonly change: ChangeDocument;
  readonly digest: string;
  /** Fingerprints of the keys that it rests on besides votes: who asked, vouched for its facts, signed its commits. */
  readonly keys: readonly string[];
  readonly votes: readonly CastVote[];
  readonly metAt: Instant | null;
  readonly seats: readonly FilledSeat[];
  readonly permit: Permit | null;
  readonly consumedAt: Instant | null;
  /** Leaf hashes of the entries that made the present revision. */
  readonly restsOn: readonly string[];
  readonly endedBy: string | null;
  /** Indexes of the entries that tell of this request, ascending. */
  readonly entries: readonly number[];
};

export const isOver = (status: RequestStatus): boolean =>
  status === 'finished' ||
  status === 'refused' ||
  status === 'withdrawn' ||
  status === 'vetoed' ||
  status === 'expired';
