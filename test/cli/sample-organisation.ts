// SPDX-License-Identifier: Apache-2.0
// A small organisation on disk: a roster, policy, and keys that the real ssh-keygen made.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type Organisation = {
  readonly folder: string;
  readonly roster: string;
  readonly policy: string;
  readonly keys: string;
  readonly key: (handle: string) => string;
  readonly remove: () => void;
};

const handles = ['ada', 'grace', 'radia'] as const;

const rosterYaml = `kind: Roster
persons:
  ada:   {name: Ada Lovelace, attributes: {team: dev}, keys: [{file: ada.pub}]}
  grace: {name: Grace Hopper, attributes: {team: platform}, keys: [{file: grace.pub}]}
  radia: {name: Radia Perlman, attributes: {team: security}, keys: [{file: radia.pub}]}
groups:
  founders: [ada, grace, radia]
  developers: [ada]
  platform: [grace, radia]
enforcement-points:
  printer: {actions: [release.notes], operator: radia}
`;

const governance = (name: string): string => `kind: Action
name: ${name}
title: Change the ${name.split('.')[1] ?? ''}
owner: group:founders
target: ${name.replace('.', '/')}
enforced: advisory
people: {ask: [group:founders], made-by: [requester], run: []}
tiers:
  - {name: governance, from-score: 0, approvals: {founders: 2 of group:founders}, sign-with: own-key}
timing: {answer-within: 3d, permit-valid: 1h, review-within: 7d}
`;

const releaseYaml = `kind: Action
name: release.notes
title: Publish release notes
owner: group:platform
target: notes/{version}
enforced: advisory
facts:
  version: {type: name, source: requester}
people: {ask: [group:developers], made-by: [requester], run: [group:developers]}
tiers:
  - {name: standard, from-score: 0, approvals: {platform: 1 of group:platform}, sign-with: own-key}
timing: {answer-within: 4h, permit-valid: 15m, review-within: 3d}
`;

export const makeKey = (file: string): void => {
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', file]);
};

export const sampleOrganisation = (): Organisation => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-cli-'));
  const [roster, policy, keys] = [join(folder, 'roster.yaml'), join(folder, 'policy'), join(folder, 'keys')];
  mkdirSync(policy);
  mkdirSync(keys, { mode: 0o700 });
  for (const handle of handles) makeKey(join(keys, handle));
  writeFileSync(roster, rosterYaml);
  writeFileSync(join(policy, 'governance-policy.yaml'), governance('governance.policy'));
  writeFileSync(join(policy, 'governance-roster.yaml'), governance('governance.roster'));
  writeFileSync(join(policy, 'release.yaml'), releaseYaml);
  return {
    folder,
    roster,
    policy,
    keys,
    key: (handle) => join(keys, handle),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
};
