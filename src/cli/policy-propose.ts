// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from 'node:fs';
import { policyAnswer, readAnswer } from '../client/answers.ts';
import type { Client } from '../client/connect.ts';
import { digestOf } from '../crypto/digest.ts';
import { canonicalize } from '../kernel/canonical-json.ts';
import type { CompiledPolicy } from '../policy/compiled.ts';
import { loadPolicy } from '../policy/lint.ts';
import { effectiveDigest, parseCompiledPolicy, policyDigest } from '../policy/policy-shape.ts';
import { policyFactsOf } from '../roster/policy-facts.ts';
import { failWithDiagnostics, prettyDiagnostic } from './diagnostics.ts';
import { commitOf } from './git-commit-of.ts';
import { policyDifference } from './governance-lines.ts';
import { openClient } from './open-client.ts';
import type { VerifyingOptions } from './options.ts';
import { orFail, print, printJson, say, usage, warn } from './output.ts';
import { readPolicyFiles } from './policy-files.ts';
import { proposeGovernance } from './propose-governance.ts';
import { rulesInForce } from './rules-in-force.ts';

export type ProposeOptions = VerifyingOptions & { readonly reason?: string; readonly out?: string };

type InForce = { readonly version: number; readonly digest: string; readonly policy: CompiledPolicy };

export const policyInForce = async (client: Client): Promise<InForce> => {
  const answer = orFail(readAnswer(policyAnswer, await client.get('/v1/policy')));
  const policy = orFail(parseCompiledPolicy(Buffer.from(answer.text)));
  return { version: answer.version, digest: policyDigest(policy), policy };
};

/** What a new policy does to each action, in one word. */
const differences = (before: CompiledPolicy, after: CompiledPolicy): readonly string[] =>
  [...new Set([...Object.keys(before.actions), ...Object.keys(after.actions)])].sort().flatMap((name) => {
    const [old, fresh] = [before.actions[name], after.actions[name]];
    if (old === undefined) return [`${name}: added`];
    if (fresh === undefined) return [`${name}: removed`];
    return effectiveDigest(old) === effectiveDigest(fresh) ? [] : [`${name}: changed`];
  });

/** `policy propose`: asks that these documents be the policy. Nobody, administrators included, has another way in. */
export const propose = async (paths: readonly string[], options: ProposeOptions): Promise<void> => {
  const asks = options.out === undefined;
  if (asks && options.reason === undefined) usage('--reason is missing', 'say why, for the people who decide');
  const client = await openClient(options, { signs: asks, verifies: asks });
  const [rules, current] = [orFail(await rulesInForce(client)), await policyInForce(client)];
  const commit = commitOf(paths);
  const loaded = loadPolicy(readPolicyFiles(paths), { commit, roster: policyFactsOf(rules.roster) });
  if (!loaded.ok) return failWithDiagnostics(loaded.diagnostics);
  for (const one of loaded.warnings) say(prettyDiagnostic(one));
  const changes = differences(current.policy, loaded.policy);
  if (changes.length === 0 && loaded.policy.commit === current.policy.commit) {
    if (options.json) printJson({ request: null, policy: current.digest, changes });
    say('These documents compile to the policy in force; there is nothing to ask for.');
    return;
  }
  if (commit === null)
    warn('the documents are not exactly as in a git commit, so the policy names none; commit them first if it should');
  for (const line of policyDifference(current.policy, loaded.policy)) say(`  ${line}`);
  const content = Buffer.from(
    canonicalize({
      type: 'countersign.dev/policy-change/v0',
      from: { version: current.version, policy: current.digest },
      policy: loaded.policy,
    }),
  );
  if (options.out !== undefined) {
    writeFileSync(options.out, content);
    if (options.json)
      printJson({ file: options.out, content: digestOf(content), policy: policyDigest(loaded.policy), changes });
    else print(options.out);
    return;
  }
  await proposeGovernance(client, 'governance.policy', content, options);
};
