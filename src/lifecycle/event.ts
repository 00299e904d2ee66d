// SPDX-License-Identifier: Apache-2.0
import type { Instant } from '../kernel/instant.ts';
import type { RefusalCode } from '../kernel/refusal-codes.ts';
import type { KeyLevel } from '../policy/compiled.ts';
import type { FilledSeat, Permit } from '../request/request-state.ts';
import type { Debt } from '../review/debt.ts';

type OfRequest = { readonly request: string };
type OfRevision = OfRequest & { readonly revision: number };

/** What a gate that was approved rests on, and the governance entry before this one: the verifier's chain. */
export type Governed = OfRequest & {
  readonly change: string;
  readonly version: number;
  readonly previous: string;
  readonly rests_on: readonly string[];
  readonly seats: readonly FilledSeat[];
};

/** What happened. Events hold codes and values and never prose: sentences are made when something is shown. */
export type LifecycleEvent =
  | {
      readonly type: 'GenesisAccepted';
      readonly ledger: string;
      readonly trial: boolean;
      readonly roster: string;
      readonly policy: string;
    }
  | (OfRevision & {
      readonly type: 'RequestSubmitted';
      readonly change: string;
      readonly action: string;
      readonly target: string;
      readonly tier: string;
      readonly raised: readonly string[];
      readonly answer_by: Instant;
    })
  | (OfRevision & {
      readonly type: 'RequestRevised';
      readonly change: string;
      readonly tier: string;
      readonly raised: readonly string[];
      readonly answer_by: Instant;
      readonly votes_voided: number;
    })
  | (OfRevision & {
      readonly type: 'ApprovalRecorded';
      readonly person: string;
      readonly key: string;
      readonly level: KeyLevel;
      readonly independent: boolean;
    })
  | (OfRevision & { readonly type: 'RejectionRecorded'; readonly person: string; readonly key: string })
  | (OfRevision & { readonly type: 'GateMet'; readonly seats: readonly FilledSeat[] })
  | (OfRevision & { readonly type: 'TimelockStarted'; readonly until: Instant })
  | (OfRevision & { readonly type: 'GateLost' })
  | (OfRequest & { readonly type: 'RequestRefused'; readonly code: RefusalCode })
  | (OfRequest & { readonly type: 'RequestWithdrawn'; readonly by: string })
  | (OfRequest & { readonly type: 'RequestVetoed'; readonly by: string })
  | (OfRequest & { readonly type: 'RequestExpired' })
  | { readonly type: 'PermitIssued'; readonly permit: Permit }
  | (OfRequest & {
      readonly type: 'PermitConsumed';
      readonly permit: string;
      readonly challenge: string;
      readonly late: boolean;
    })
  | (OfRequest & { readonly type: 'PermitExpired'; readonly permit: string })
  | (OfRequest & { readonly type: 'PermitVoided'; readonly permit: string; readonly code: RefusalCode })
  | (OfRequest & {
      readonly type: 'ResultRecorded';
      readonly permit: string;
      readonly outcome: 'succeeded' | 'failed' | 'unknown';
    })
  | (OfRequest & { readonly type: 'BreakGlassInvoked'; readonly action: string; readonly by: string })
  | (OfRequest & { readonly type: 'BreakGlassEnded' })
  | { readonly type: 'ReviewOpened'; readonly debt: Debt }
  | (OfRequest & {
      readonly type: 'ReviewClosed';
      readonly by: string;
      readonly finding: 'justified' | 'unjustified' | 'needs-change';
    })
  | (OfRequest & { readonly type: 'ReviewOverdue' })
  | (Governed & { readonly type: 'RosterChanged'; readonly root: string })
  | (Governed & { readonly type: 'PolicyActivated'; readonly policy: string })
  | { readonly type: 'FindingRaised'; readonly code: string; readonly request: string | null }
  | {
      readonly type: 'CommandRefused';
      readonly principal: string;
      readonly command: string;
      readonly code: RefusalCode;
      readonly rule: string;
      readonly limit_reached: boolean;
    }
  | { readonly type: 'RefusalsSummarised'; readonly principal: string; readonly count: number };

export type EventOf<T extends LifecycleEvent['type']> = Extract<LifecycleEvent, { readonly type: T }>;
