// SPDX-License-Identifier: Apache-2.0
import { policyAnswer, readAnswer, rosterAnswer } from '../client/answers.ts';
import type { Client } from '../client/connect.ts';
import { digestOf } from '../crypto/digest.ts';
import { ok, refuse, type JsonObject, type Result } from '../kernel/refusal.ts';
import { isObject } from '../kernel/shape.ts';
import type { CompiledAction } from '../policy/compiled.ts';
import { parseCompiledPolicy } from '../policy/policy-shape.ts';
import { rosterRoot, sealRoster, type Roster } from '../roster/roster.ts';

/**
 * Policy and roster as the server shows them, for filling in what a request leaves open. Nothing is decided on them:
 * what comes of it is compared with the verified case afterwards, and every voter sees it.
 */
export type RulesInForce = {
  readonly roster: Roster;
  readonly action: (name: string) => Result<CompiledAction>;
  readonly titles: { readonly [action: string]: string };
  /** What the server calls people; its word alone. */
  readonly people: { readonly [person: string]: string };
};

export const rulesInForce = async (client: Client): Promise<Result<RulesInForce>> => {
  const [policy, roster] = await Promise.all([
    client.get('/v1/policy').then((answer) => readAnswer(policyAnswer, answer)),
    client.get('/v1/roster').then((answer) => readAnswer(rosterAnswer, answer)),
  ]);
  if (!policy.ok) return policy;
  if (!roster.ok) return roster;
  const compiled = parseCompiledPolicy(Buffer.from(policy.value.text));
  if (!compiled.ok) return compiled;
  if (digestOf(policy.value.text) !== policy.value.digest) return differs('policy');
  const records = new Map(Object.entries(roster.value.records as JsonObject)) as Map<string, JsonObject>;
  const sealed = sealRoster(roster.value.version, records);
  if (!sealed.ok) return sealed;
  if (rosterRoot(sealed.value.records) !== roster.value.root) return differs('roster');
  const { actions } = compiled.value;
  return ok({
    roster: sealed.value,
    titles: titlesOf(policy.value.prose),
    people: roster.value.people,
    action: (name) => {
      const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
      return action === undefined
        ? refuse(
            'action-unknown',
            'Q1',
            `there is no action \`${name.slice(0, 80)}\` in the policy in force`,
            { action: name.slice(0, 80) },
            `actions are ${Object.keys(actions).join(', ')}`,
          )
        : ok(action);
    },
  });
};

const differs = (what: string) =>
  refuse(
    'answer-malformed',
    'W7',
    `the ${what} that the server shows does not have the digest it names`,
    {},
    'something between you and the ledger changes what is shown; use nothing of it',
  );

const titlesOf = (prose: unknown): { readonly [action: string]: string } =>
  Object.fromEntries(
    Object.entries(isObject(prose) ? prose : {}).flatMap(([name, one]) =>
      isObject(one) && typeof one['title'] === 'string' ? [[name, one['title']]] : [],
    ),
  );
