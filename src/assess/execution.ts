// SPDX-License-Identifier: Apache-2.0
import { ok, refuse, type Result } from '../kernel/refusal.ts';
import type { CompiledAction } from '../policy/compiled.ts';
import { activeInstance, isAmong, signingKey, type Roster } from '../roster/roster.ts';

export type Executor = { readonly key: string; readonly principal: string };

/**
 * Whether this key may carry out the action at this enforcement point, by the roster of the moment (SPEC Q4). Asked at
 * the request, and again at the permit and at its use: who lost key, role or instance in between runs nothing (A38).
 */
export const checkExecution = (
  roster: Roster,
  action: CompiledAction,
  audience: string | null,
  executor: string | null,
): Result<Executor> => {
  const instance = audience === null ? undefined : activeInstance(roster, audience);
  if (audience === null || instance === undefined || !instance.actions.includes(action.name)) {
    const known = instancesOf(roster, action.name);
    return refuse(
      'audience-unknown',
      'Q4',
      `\`${audience ?? 'none'}\` is not an enrolled enforcement point of \`${action.name}\``,
      { audience, action: action.name },
      known.length > 0
        ? `name one that is enrolled for it: ${known.join(', ')}`
        : `no enforcement point is enrolled for it yet: somebody has to propose one for \`${action.name}\` with \`countersign roster propose\``,
    );
  }
  const key = executor === null ? undefined : signingKey(roster, executor);
  if (executor === null || key === undefined || !isAmong(roster, key.holder, action.run))
    return refuse(
      'executor-not-allowed',
      'Q4',
      `key \`${executor ?? 'none'}\` belongs to nobody who may run \`${action.name}\``,
      { executor, run: action.run },
      `name an active key of ${action.run.join(' or ') || 'nobody'}`,
    );
  return ok({ key: executor, principal: key.holder });
};

const instancesOf = (roster: Roster, action: string): string[] =>
  [...roster.records]
    .filter(
      ([key, record]) =>
        key.startsWith('instance/') &&
        record['status'] === 'active' &&
        Array.isArray(record['actions']) &&
        record['actions'].includes(action),
    )
    .map(([key]) => key.slice('instance/'.length));
