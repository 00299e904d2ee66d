// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import { adapterNames } from './consistency.ts';
import { factTypes } from './policy-shape.ts';

/**
 * An `Action` document as people write it (kebab-case keys). One source for types, validation and the editor schema.
 * Texts with a small grammar of their own (`1 of group:platform`, `15m`, `git(commit)`, conditions) are read by
 * `compile`, which can say where in them something is wrong.
 */
const plainName = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'must be a name of lowercase letters, digits and dashes');
const prose = (max: number) => z.string().min(1, 'must not be empty').max(max, `must have at most ${max} characters`);
const references = z.array(z.string()).max(32);
// `pattern` and `enum` below are for editors; the texts are read by `compile-texts`, which says what is wrong in them.
const duration = z.string().meta({
  description: 'a whole number from 1 and a unit: 30s, 15m, 4h, 3d; at most 400 days',
  pattern: '^[0-9]{1,9}[smhd]$',
});
const holder = z.string().meta({
  description: '`group:<name>` or `person:<id>`',
  pattern: '^(group|person):[a-z][a-z0-9_-]{0,62}$',
});
const seat = z.string().meta({
  description: 'how many of whom, such as `1 of group:platform`',
  pattern: '^[0-9]{1,9} +of +(group|person):[a-z][a-z0-9_-]{0,62}$',
});
const condition = z.string().max(2000).describe('a CEL condition over the facts, such as `facts.migrations > 0`');
const points = z.int().min(0, 'must not be negative: factors only ever add up').max(1_000_000);

const tier = z.strictObject({
  name: plainName,
  'from-score': z.int().min(0).max(100_000_000),
  approvals: z.record(plainName, seat).optional(),
  automatic: z.unknown().optional(),
  'must-not-share': z
    .array(z.string().regex(/^[a-z][a-z_]{0,30}$/, 'must be an attribute such as `team`'))
    .max(8)
    .default([]),
  'sign-with': z
    .enum(['own-key', 'present', 'hardware'])
    .describe(
      'the least a signature has to show: a key of their own, or a security key that was touched and unlocked, enrolled as `present` or `hardware`',
    ),
  'independent-surface': z
    .int()
    .min(0)
    .max(64)
    .default(0)
    .describe('how many seats are signed where the server cannot choose what is shown'),
  'time-lock': z.strictObject({ wait: duration, veto: references }).optional(),
  review: z
    .string()
    .meta({
      description: 'share of uses that somebody looks at afterwards: `all`, `none`, or such as `10%`',
      pattern: '^(all|none|[0-9]{1,3}%)$',
    })
    .default('none'),
});

export const actionDocument = z.strictObject({
  kind: z.literal('Action'),
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*){0,7}$/, 'must be a dotted name such as `deploy.production`')
    .max(200),
  title: prose(200),
  owner: holder,
  runbook: prose(300).optional(),
  target: z
    .string()
    .regex(/^[A-Za-z0-9._:@/{}-]{1,200}$/, 'must be a plain path with `{fact}` parts, such as `production/{service}`'),
  enforced: z.enum(['advisory', 'credential-held', 'target-verified']),
  facts: z
    .record(
      z.string().regex(/^[a-z][a-z0-9_]{0,62}$/, 'must be a fact name of lowercase letters, digits and underscores'),
      z.strictObject({
        type: z.string().meta({ description: 'what values fit', enum: [...factTypes] }),
        source: z.string().meta({
          description: 'who vouches for it: `requester`, `git(fact)`, `file-digest(fact)`, `attested(group:…)`',
          pattern: `^(requester|(${adapterNames.join('|')})\\([a-z][a-z0-9_]{0,62}\\)|attested\\((group|machine|person):[a-z][a-z0-9_-]{0,62}\\))$`,
        }),
        max: z.int().min(0).optional().describe('greatest whole number, or most items of a list'),
      }),
    )
    .default({}),
  people: z.strictObject({
    ask: references,
    'made-by': references.default(['requester']),
    run: references.default([]),
  }),
  risk: z
    .strictObject({
      start: points.default(0),
      add: z
        .array(z.strictObject({ points, when: condition, why: prose(300) }))
        .max(64)
        .default([]),
      'never-below': z
        .array(z.strictObject({ tier: plainName, when: condition, why: prose(300) }))
        .max(64)
        .default([]),
    })
    .default({ start: 0, add: [], 'never-below': [] }),
  tiers: z.array(tier).min(1, 'must have at least one tier').max(8),
  timing: z.strictObject({ 'answer-within': duration, 'permit-valid': duration, 'review-within': duration }),
  reviewers: holder.optional(),
  consume: z
    .enum(['online', 'offline'])
    .default('online')
    .describe('whether a permit is used up at the server first, or at the target, which reports afterwards'),
  emergency: z
    .strictObject({
      ask: z.union([z.string(), references]),
      confirm: seat,
      lasts: duration,
      'review-within': duration,
    })
    .optional(),
});
export type ActionDocument = z.infer<typeof actionDocument>;
export type TierDocument = ActionDocument['tiers'][number];

/** What to write where a key is missing or wrong. */
export const actionExamples: { readonly [key: string]: string } = {
  kind: 'kind: Action',
  name: 'name: deploy.production',
  title: 'title: Put a built version of a service into production',
  owner: 'owner: group:platform',
  target: 'target: "production/{service}"',
  enforced: 'enforced: target-verified',
  facts: 'facts: {service: {type: name, source: requester}}',
  type: 'type: name',
  source: 'source: requester',
  people: 'people: {ask: [group:developers], made-by: [requester], run: [machine:deployer]}',
  ask: 'ask: [group:developers]',
  'made-by': 'made-by: [requester]',
  run: 'run: [machine:deployer]',
  points: 'points: 10',
  when: 'when: facts.migrations > 0',
  why: 'why: the schema changes',
  tier: 'tier: strict',
  tiers: 'tiers: [{name: standard, from-score: 0, approvals: {platform: 1 of group:platform}, sign-with: own-key}]',
  'from-score': 'from-score: 0',
  approvals: 'approvals: {platform: 1 of group:platform}',
  'sign-with': 'sign-with: own-key',
  'must-not-share': 'must-not-share: [team]',
  'time-lock': 'time-lock: {wait: 15m, veto: [group:oncall]}',
  wait: 'wait: 15m',
  veto: 'veto: [group:oncall]',
  review: 'review: 10%',
  timing: 'timing: {answer-within: 4h, permit-valid: 15m, review-within: 3d}',
  'answer-within': 'answer-within: 4h',
  'permit-valid': 'permit-valid: 15m',
  'review-within': 'review-within: 3d',
  reviewers: 'reviewers: group:risk',
  emergency: 'emergency: {ask: group:oncall, confirm: 1 of group:commanders, lasts: 1h, review-within: 24h}',
  confirm: 'confirm: 1 of group:commanders',
  lasts: 'lasts: 1h',
};

/** Kinds that the design names and this version does not read yet. */
export const laterKinds: readonly string[] = [
  'Enforcement',
  'Exception',
  'Delegation',
  'Freeze',
  'Series',
  'Workflow',
  'Calendar',
  'Role',
];

/** JSON Schema of an `Action` document, for editors. */
export const actionSchema = (): object => z.toJSONSchema(actionDocument, { io: 'input' });
