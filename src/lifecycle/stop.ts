// SPDX-License-Identifier: Apache-2.0
import { refuse } from '../kernel/refusal.ts';
import { stopStatement } from '../kernel/statements.ts';
import { authenticate } from '../roster/authenticate.ts';
import { checkStop } from '../timelock/time-lock.ts';
import type { CommandOf } from './command.ts';
import type { LifecycleEvent } from './event.ts';
import { accepted, refused, type Outcome, type Setting } from './outcome.ts';
import { refuseOver, touch } from './settle.ts';

/** A signed withdrawal or veto: one entitled person stops it, permit or no permit, until it is used. */
export const decideStop = (setting: Setting, command: CommandOf<'StopRequest'>): Outcome => {
  const { state, identity } = setting;
  const signed = authenticate(state.roster, identity, command.envelope, stopStatement);
  if (!signed.ok) return refused(signed);
  const { statement, principal } = signed.value;
  const touched = touch(setting, statement.request, principal);
  if ('outcome' in touched) return touched.outcome;
  const { request } = touched;
  const over = refuseOver(request);
  if (over !== undefined) return refused(over, principal);
  if (request.status === 'consumed')
    return refused(
      refuse(
        'permit-used',
        'T2',
        `the permit of \`${request.id}\` was used already`,
        { request: request.id },
        'it can no longer be stopped; ask for the way back as an action of its own',
      ),
      principal,
    );
  const may = checkStop(state.roster, request.change, request.digest, signed.value);
  if (!may.ok) return refused(may, principal);
  const withdrawn = statement.type === 'countersign.dev/withdrawal/v0';
  const events: LifecycleEvent[] = [
    { type: withdrawn ? 'RequestWithdrawn' : 'RequestVetoed', request: request.id, by: principal },
  ];
  if (request.permit !== null)
    events.push({
      type: 'PermitVoided',
      request: request.id,
      permit: request.permit.permit,
      code: withdrawn ? 'request-withdrawn' : 'request-vetoed',
    });
  if (request.change.emergency) events.push({ type: 'BreakGlassEnded', request: request.id });
  return accepted(...events);
};
