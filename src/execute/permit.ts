// SPDX-License-Identifier: Apache-2.0
import { addMs, earlier, type Instant } from '../kernel/instant.ts';
import { permitIdOf } from '../kernel/ids.ts';
import { BrokenInvariant, ok, refuse, type Result } from '../kernel/refusal.ts';
import type { ConsumptionStatement } from '../kernel/statements.ts';
import type { FilledSeat, Permit, RequestState } from '../request/request-state.ts';
import type { Signed } from '../roster/authenticate.ts';

/**
 * The permit for a change whose gate is met now (SPEC X1). Its id follows from the change digest, so that one revision
 * can have one permit only.
 */
export const makePermit = (
  request: RequestState,
  filled: readonly FilledSeat[],
  governance: string,
  time: Instant,
): Permit => {
  const { change, digest, metAt } = request;
  if (change.audience === null || change.executor === null || metAt === null)
    throw new BrokenInvariant(`a permit for \`${request.id}\`, which names no executor or whose gate was never met`);
  const counted = filled.map(({ seat, person, index }) => ({ seat, person, vote: leafOf(request, index) }));
  return {
    type: 'countersign.dev/permit/v0',
    ledger: change.ledger,
    tenant: change.tenant,
    permit: permitIdOf(digest),
    request: request.id,
    revision: change.revision,
    change: digest,
    action: change.action,
    target: change.target,
    content: change.content,
    audience: change.audience,
    executor: change.executor,
    enforced: change.enforced,
    emergency: change.emergency,
    consume: change.consume,
    persons: new Set(filled.map((seat) => seat.person)).size,
    seats: counted,
    gate_met_at: metAt,
    issued_at: time,
    expires_at: earlier(addMs(time, change.permit_valid_ms), change.not_after),
    governance,
    rests_on: [...request.restsOn, ...counted.map((seat) => seat.vote)],
  };
};

const leafOf = (request: RequestState, index: number): string => {
  const vote = request.votes.find((one) => one.index === index);
  if (vote === undefined) throw new BrokenInvariant(`no vote at index ${index} of \`${request.id}\``);
  return vote.leaf;
};

/**
 * Whether this signed consumption uses this permit (SPEC X2–X4): the executor's own key, this change, this
 * enforcement point, in time. `late` tells that an offline point used it in time and reports it afterwards.
 */
export const checkConsumption = (
  permit: Permit,
  signed: Signed<ConsumptionStatement>,
  time: Instant,
): Result<{ readonly late: boolean }> => {
  const { statement, key, principal } = signed;
  if (statement.permit !== permit.permit || statement.change !== permit.change)
    return refuse(
      'permit-wrong-change',
      'X2',
      `the consumption was signed for change \`${statement.change}\`, the permit is for \`${permit.change}\``,
      { permit: permit.permit },
      'a permit holds for one change digest',
    );
  if (key !== permit.executor.key || principal !== permit.executor.principal)
    return refuse(
      'permit-wrong-executor',
      'X2',
      `key \`${key}\` is not the executor that the permit names`,
      { executor: permit.executor.key },
      'let the named executor sign',
    );
  if (statement.audience !== permit.audience)
    return refuse(
      'permit-wrong-audience',
      'X3',
      `enforcement point \`${statement.audience}\` is not \`${permit.audience}\`, which the permit names`,
      { audience: permit.audience },
      'use it there, or ask again for another enforcement point',
    );
  if (time < permit.expires_at) return ok({ late: false });
  const inTime = permit.consume === 'offline' && statement.at >= permit.issued_at && statement.at < permit.expires_at;
  return inTime
    ? ok({ late: true })
    : refuse(
        'permit-expired',
        'X4',
        `permit \`${permit.permit}\` expired at \`${permit.expires_at}\``,
        { expires_at: permit.expires_at, time },
        'ask again; an expired permit is never renewed',
      );
};
