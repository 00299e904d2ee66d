// SPDX-License-Identifier: Apache-2.0
import { digestOf } from '../crypto/digest.ts';
import { canonicalize, parseCanonical, type JsonLimits } from '../kernel/canonical-json.ts';
import { refuse, type Refused, type Result } from '../kernel/refusal.ts';
import {
  integer,
  isObject,
  listOf,
  literal,
  matching,
  nullable,
  recordOf,
  shape,
  type Check,
} from '../kernel/shape.ts';
import { actionName, name } from '../kernel/statements.ts';
import type { CompiledAction, CompiledEmergency, CompiledFact, CompiledPolicy, CompiledTier } from './compiled.ts';
import type { FactSource, FactType } from './compiled.ts';
import { expression } from './expression-shape.ts';

/**
 * The strict shape of compiled policy (FORMATS §7, SPEC P2): what activation, replay and the offline verifier read.
 * Whoever passes it has finite trees, ordered tiers and names that can be told apart; what it cannot see, whether
 * people can meet the gates, is `checkSoundness`.
 */
const dayMs = 86_400_000;
const duration: Check<number> = integer(1, 400 * dayMs);
const points: Check<number> = integer(0, 1_000_000);
const factName = /^[a-z][a-z0-9_]{0,62}$/;
const holder: Check<string> = matching(
  /^(group:[a-z][a-z0-9-]{0,62}|person:p_[a-z0-9_]{4,40})$/,
  '`group:<id>` or `person:<id>`',
);
const anyone: Check<string> = matching(
  /^(group:[a-z][a-z0-9-]{0,62}|machine:[a-z][a-z0-9-]{0,62}|person:p_[a-z0-9_]{4,40})$/,
  '`group:<id>`, `machine:<id>` or `person:<id>`',
);
const madeBy: Check<string> = matching(/^(requester|facts\.[a-z][a-z0-9_]{0,62})$/, '`requester` or `facts.<name>`');
const attribute: Check<string> = matching(/^[a-z][a-z_]{0,30}$/, 'an attribute such as `team`');
const template: Check<string> = matching(/^[A-Za-z0-9._:@/{}-]{1,200}$/, 'a template such as `production/{service}`');

/** A list without repeats. */
const set =
  <T>(inner: Check<T>, maxItems: number): Check<readonly T[]> =>
  (given, path) => {
    const checked = listOf(inner, maxItems)(given, path);
    if (!checked.ok || new Set(checked.value).size === checked.value.length) return checked;
    return wrong(path, 'has an item twice');
  };

const wrong = (path: string, why: string): Refused =>
  refuse('policy-malformed', 'P2', `field \`${path}\` ${why}`, { field: path }, 'compile the policy documents again');

const sources: { readonly [kind: string]: Check<FactSource> } = {
  requester: shape({ kind: literal('requester') }),
  adapter: shape({ kind: literal('adapter'), adapter: name, argument: matching(factName, 'a fact name') }),
  attested: shape({ kind: literal('attested'), by: anyone }),
};
const source: Check<FactSource> = (given, path) => {
  const kind = isObject(given) && typeof given['kind'] === 'string' ? given['kind'] : '';
  const check = Object.hasOwn(sources, kind) ? sources[kind] : undefined;
  return check === undefined
    ? wrong(`${path}.kind`, 'must be `requester`, `adapter` or `attested`')
    : check(given, path);
};

export const factTypes = [
  'name',
  'text-digest',
  'digest',
  'commit',
  'int',
  'bool',
  'path',
  'list<person>',
  'list<name>',
] as const;
const factType: Check<FactType> = literal(...factTypes);
const fact: Check<CompiledFact> = shape({ type: factType, source, max: nullable(integer(0)) });

const tier: Check<CompiledTier> = shape({
  name,
  from_score: integer(0, 100_000_000),
  seats: listOf(shape({ name, count: integer(), group: holder }), 64),
  must_not_share: set(attribute, 8),
  sign_with: literal('own-key', 'present', 'hardware'),
  independent_surface: integer(0, 64),
  time_lock: nullable(shape({ wait_ms: duration, veto: set(holder, 16) })),
  review_percent: integer(0, 100),
});

const emergency: Check<CompiledEmergency> = shape({
  ask: set(holder, 16),
  confirm: shape({ count: integer(), group: holder }),
  lasts_ms: duration,
  review_within_ms: duration,
});

const actionFields = shape({
  name: actionName,
  owner: holder,
  target: template,
  enforced: literal('advisory', 'credential-held', 'target-verified'),
  facts: recordOf(factName, fact, 64),
  ask: set(anyone, 32),
  made_by: set(madeBy, 16),
  run: set(anyone, 32),
  risk: shape({
    start: points,
    add: listOf(shape({ points, when: expression }), 64),
    never_below: listOf(shape({ tier: name, when: expression }), 64),
  }),
  tiers: listOf(tier, 8),
  timing: shape({ answer_within_ms: duration, permit_valid_ms: duration, review_within_ms: duration }),
  reviewers: nullable(holder),
  consume: literal('online', 'offline'),
  emergency: nullable(emergency),
});

const action: Check<CompiledAction> = (given, path) => {
  const checked = actionFields(given, path);
  if (!checked.ok) return checked;
  const { tiers, risk } = checked.value;
  if (tiers[0]?.from_score !== 0) return wrong(`${path}.tiers`, 'must begin with a tier from score 0');
  for (const [at, one] of tiers.entries()) {
    if (at > 0 && one.from_score <= (tiers[at - 1]?.from_score ?? 0))
      return wrong(`${path}.tiers[${at}]`, 'must begin at a higher score than the tier before');
    if (new Set(one.seats.map((seat) => seat.name)).size !== one.seats.length)
      return wrong(`${path}.tiers[${at}].seats`, 'has a seat name twice');
  }
  const names = new Set(tiers.map((one) => one.name));
  // `emergency` is how a change document names the emergency gate; a tier of that name would be mistaken for it.
  if (names.size !== tiers.length || names.has('emergency'))
    return wrong(`${path}.tiers`, 'needs tier names that differ, and none named `emergency`');
  const lost = risk.never_below.find((rule) => !names.has(rule.tier));
  return lost === undefined
    ? checked
    : wrong(`${path}.risk.never_below`, `names tier \`${lost.tier}\`, which the action does not have`);
};

const policyFields = shape({
  type: literal('countersign.dev/policy/v0'),
  commit: nullable(matching(/^git:([0-9a-f]{40}|[0-9a-f]{64})$/, '`git:` and a full commit id')),
  actions: recordOf(/^[a-z][a-z0-9.-]{0,200}$/, action, 64),
});

export const compiledPolicy: Check<CompiledPolicy> = (given, path) => {
  const checked = policyFields(given, path);
  if (!checked.ok) return checked;
  for (const [key, one] of Object.entries(checked.value.actions))
    if (one.name !== key) return wrong(`${path ? `${path}.` : ''}actions.${key}`, `holds the action \`${one.name}\``);
  return checked;
};

/** Limits for canonical JSON that holds a compiled policy: a condition of depth 32 nests 64 levels of JSON. */
export const policyJsonLimits: JsonLimits = { maxBytes: 1024 * 1024, maxDepth: 96 };

/** Reads a compiled policy from its canonical bytes. Whether it is sound is another question: `checkSoundness`. */
export const parseCompiledPolicy = (bytes: Uint8Array): Result<CompiledPolicy> => {
  const parsed = parseCanonical(bytes, policyJsonLimits);
  return parsed.ok ? compiledPolicy(parsed.value, '') : parsed;
};

export const formatCompiledPolicy = (policy: CompiledPolicy): string => canonicalize(policy);

/** What people approve when they approve a policy. */
export const policyDigest = (policy: CompiledPolicy): string => digestOf(formatCompiledPolicy(policy));

const digests = new WeakMap<CompiledAction, string>();

/** Digest of all that this action's gate rests on: what a request pins (INV3). Remembered: an action never changes. */
export const effectiveDigest = (one: CompiledAction): string => {
  const known = digests.get(one);
  if (known !== undefined) return known;
  const digest = digestOf(canonicalize(one));
  digests.set(one, digest);
  return digest;
};
