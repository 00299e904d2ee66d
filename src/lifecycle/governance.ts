// SPDX-License-Identifier: Apache-2.0
import type { Attachments } from '../kernel/decider.ts';
import { BrokenInvariant, ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { digestOf } from '../crypto/digest.ts';
import { isGovernance } from '../assess/build-change.ts';
import type { CompiledPolicy } from '../policy/compiled.ts';
import { parsePolicyChange } from '../policy/policy-change.ts';
import { policyDigest } from '../policy/policy-shape.ts';
import { firstUnsound } from '../policy/soundness.ts';
import type { ChangeDocument } from '../request/change-document.ts';
import { applyRosterChange, parseRosterChange } from '../roster/change.ts';
import { policyFactsOf } from '../roster/policy-facts.ts';
import type { Roster } from '../roster/roster.ts';
import type { CommandOf } from './command.ts';
import type { Governed } from './event.ts';
import { accepted, refused, type Outcome, type Setting } from './outcome.ts';
import { checkThreshold } from './genesis.ts';
import { readyToAct } from './permit.ts';
import { touch } from './settle.ts';
import type { State } from './state.ts';

/** What an approved change of governance makes of roster and policy. */
export type Governance = {
  readonly roster: Roster;
  readonly policy: CompiledPolicy;
  readonly kind: 'roster' | 'policy';
};

/**
 * Applies the content of a governance request to the state it was made for (SPEC N4–N6). Nobody administers beside
 * this: policy and roster have no other way in (INV8, A34).
 */
export const applyGovernance = (state: State, change: ChangeDocument, attachments: Attachments): Result<Governance> => {
  const bytes = change.content === null ? undefined : attachments.get(change.content);
  if (bytes === undefined || digestOf(bytes) !== change.content)
    return refuse(
      'attachment-missing',
      'N4',
      `content \`${change.content ?? 'none'}\` is not attached`,
      { content: change.content },
      'attach the document whose digest the request names',
    );
  if (state.policy === null) throw new BrokenInvariant('governance before genesis');
  if (change.action === 'governance.policy') return applyPolicy(state, state.policy, bytes);
  const parsed = parseRosterChange(bytes);
  if (!parsed.ok) return parsed;
  const roster = applyRosterChange(state.roster, parsed.value, { ledger: change.ledger, tenant: change.tenant });
  if (!roster.ok) return roster;
  // Who leaves, leaves at once (INV4); but nobody may lock the door to governance behind them.
  const unsound = firstUnsound(state.policy, policyFactsOf(roster.value), isGovernance);
  if (unsound !== undefined) return { ok: false, refusal: unsound };
  return ok({ roster: roster.value, policy: state.policy, kind: 'roster' });
};

const applyPolicy = (state: State, current: CompiledPolicy, bytes: Uint8Array): Result<Governance> => {
  const parsed = parsePolicyChange(bytes);
  if (!parsed.ok) return parsed;
  const { from, policy } = parsed.value;
  if (from.version !== state.policyVersion || from.policy !== policyDigest(current))
    return refuse(
      'policy-stale',
      'N5',
      `the change was made for policy version ${from.version}, version ${state.policyVersion} is in force`,
      { version: state.policyVersion, policy: policyDigest(current) },
      'make the change again from the policy in force',
    );
  const weak = checkThreshold(state.identity?.threshold ?? Number.MAX_SAFE_INTEGER, policy);
  if (weak !== undefined) return weak;
  const unsound = firstUnsound(policy, policyFactsOf(state.roster));
  return unsound === undefined ? ok({ roster: state.roster, policy, kind: 'policy' }) : { ok: false, refusal: unsound };
};

/** People are only asked about a change that could be applied as things stand. */
export const previewChange = (
  { state }: Setting,
  change: ChangeDocument,
  attachments: Attachments,
): Refused | undefined => {
  const applied = applyGovernance(state, change, attachments);
  return applied.ok ? undefined : applied;
};

export const decideActivate = (setting: Setting, command: CommandOf<'ActivateChange'>): Outcome => {
  const { state, attachments } = setting;
  const touched = touch(setting, command.request, null);
  if ('outcome' in touched) return touched.outcome;
  const { request } = touched;
  const { change } = request;
  if (!isGovernance(change.action))
    return refused(
      refuse(
        'activation-not-governance',
        'N4',
        `\`${change.action}\` is carried out with a permit, not by the ledger`,
        { action: change.action },
        'ask for its permit',
      ),
    );
  const gate = readyToAct(setting, request);
  if ('ok' in gate) return gate;
  const applied = applyGovernance(state, change, attachments);
  if (!applied.ok)
    return refused(applied, null, [{ type: 'RequestRefused', request: request.id, code: applied.refusal.code }]);
  const leafOf = (index: number): string => request.votes.find((vote) => vote.index === index)?.leaf ?? '';
  const { roster, policy, kind } = applied.value;
  const governed: Governed = {
    request: request.id,
    change: request.digest,
    version: kind === 'roster' ? roster.version : state.policyVersion + 1,
    previous: state.governance,
    rests_on: [...request.restsOn, ...gate.filled.map((seat) => leafOf(seat.index))],
    seats: gate.filled,
  };
  return accepted(
    kind === 'roster'
      ? { type: 'RosterChanged', ...governed, root: roster.root }
      : { type: 'PolicyActivated', ...governed, policy: policyDigest(policy) },
  );
};
