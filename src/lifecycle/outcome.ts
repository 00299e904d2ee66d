// SPDX-License-Identifier: Apache-2.0
import type { Attachments, Moment } from '../kernel/decider.ts';
import { refuse, type Refusal, type Refused, type Result } from '../kernel/refusal.ts';
import type { LifecycleEvent } from './event.ts';
import type { Identity, State } from './state.ts';

/** What every command is decided on. */
export type Setting = {
  readonly state: State;
  readonly identity: Identity;
  readonly moment: Moment;
  readonly attachments: Attachments;
};

/**
 * Accepted events; or a refusal, with the principal it is recorded for where one was authenticated, and with events
 * that time or a new policy had made due all the same.
 */
export type Outcome =
  | { readonly ok: true; readonly events: readonly LifecycleEvent[] }
  | {
      readonly ok: false;
      readonly refusal: Refusal;
      readonly principal: string | null;
      readonly events: readonly LifecycleEvent[];
    };

export const accepted = (...events: readonly LifecycleEvent[]): Outcome => ({ ok: true, events });

export const refused = (
  { refusal }: Refused,
  principal: string | null = null,
  events: readonly LifecycleEvent[] = [],
): Outcome => ({
  ok: false,
  refusal,
  principal,
  events,
});

export const requestUnknown = (id: string): Refused =>
  refuse(
    'request-unknown',
    'Q6',
    `there is no request \`${id}\``,
    { request: id },
    'list the requests, or look whether this is the right ledger',
  );

/** Turns the refusal of a nested step into an outcome; the value goes on. */
export const failed = <T>(result: Result<T>, principal: string | null = null): Outcome | undefined =>
  result.ok ? undefined : refused(result, principal);
