// SPDX-License-Identifier: Apache-2.0
import { differenceLines, rosterDifference } from '../client/difference-lines.ts';
import { parsePolicyChange } from '../policy/policy-change.ts';
import type { CompiledPolicy } from '../policy/compiled.ts';
import { applyRosterChange, parseRosterChange } from '../roster/change.ts';
import type { OpenedCase } from '../verify/open-case.ts';

export type GovernanceChange = {
  readonly lines: readonly string[];
  /** Why it could not be applied as things stand now. */
  readonly hindrance: string | undefined;
};

/** What a policy changes: the commit it comes from, then each value by action. */
export const policyDifference = (before: CompiledPolicy, after: CompiledPolicy): readonly string[] => [
  ...differenceLines(before.commit, after.commit, 'commit'),
  ...differenceLines(before.actions, after.actions),
];

/**
 * What a request to change policy or roster changes, worked out on this machine: what stands now comes out of the
 * replay from the pin, what shall stand out of the content that is signed. Undefined for every other request.
 */
export const governanceChange = (opened: OpenedCase): GovernanceChange | undefined => {
  const { change, roster, policy, policyVersion, blobs, identity } = opened;
  const content = change.content === null ? undefined : blobs.get(change.content);
  if (content === undefined) return undefined;
  if (change.action === 'governance.roster') {
    const parsed = parseRosterChange(content);
    if (!parsed.ok) return { lines: [], hindrance: parsed.refusal.message };
    const applied = applyRosterChange(roster, parsed.value, identity);
    return {
      lines: rosterDifference(roster.records, parsed.value),
      hindrance: applied.ok ? undefined : applied.refusal.message,
    };
  }
  if (change.action !== 'governance.policy') return undefined;
  const parsed = parsePolicyChange(content);
  if (!parsed.ok) return { lines: [], hindrance: parsed.refusal.message };
  const { from, policy: next } = parsed.value;
  return {
    lines: policyDifference(policy, next),
    hindrance:
      from.version === policyVersion
        ? undefined
        : `it was made for policy version ${from.version}, and version ${policyVersion} is in force`,
  };
};
