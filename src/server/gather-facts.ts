// SPDX-License-Identifier: Apache-2.0
import type { FactAnswer, FactSource } from '../app/fact-source.ts';
import { digestOf } from '../crypto/digest.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import type { RequestStatement } from '../kernel/statements.ts';
import { actionOf } from '../lifecycle/settle.ts';
import type { GatheredFact } from '../request/submission.ts';
import type { ServerContext } from './server-context.ts';

export type Gathered = {
  readonly gathered: readonly GatheredFact[];
  readonly evidence: ReadonlyMap<string, Uint8Array>;
};

const nothing: Gathered = { gathered: [], evidence: new Map() };
const gatherWithinMs = 20_000;

/**
 * Asks the adapters that the action's policy names. An action or argument that is not there is left to `decide`, which
 * refuses and records it; an adapter that cannot answer refuses here, with its own reason.
 */
export const gatherFacts = async (context: ServerContext, statement: RequestStatement): Promise<Result<Gathered>> => {
  const action = actionOf(context.sequencer.state(), statement.action);
  if (action === undefined) return ok(nothing);
  const gathered: GatheredFact[] = [];
  const evidence = new Map<string, Uint8Array>();
  for (const [fact, { source }] of Object.entries(action.facts)) {
    if (source.kind !== 'adapter') continue;
    const value = Object.hasOwn(statement.facts, source.argument) ? statement.facts[source.argument] : undefined;
    if (value === undefined) continue;
    const adapter = context.factSources.get(source.adapter);
    if (adapter === undefined) return notConfigured(fact, source.adapter);
    const answer = await within(adapter, { action: action.name, fact, argument: source.argument, value });
    if (!answer.ok) return answer;
    const digest = answer.value.evidence === null ? null : digestOf(answer.value.evidence);
    if (digest !== null && answer.value.evidence !== null) evidence.set(digest, answer.value.evidence);
    gathered.push({ fact, value: answer.value.value, evidence: digest, detail: answer.value.detail });
  }
  return ok({ gathered, evidence });
};

/** What an operator writes to have each adapter (docs/operations.md). */
const settings: { readonly [adapter: string]: string } = {
  git: 'git: {repository: FOLDER, base: refs/heads/main}',
  'file-digest': 'files: {root: FOLDER}',
};

const notConfigured = (fact: string, adapter: string): Refused =>
  refuse(
    'fact-source-failed',
    'F2',
    `fact \`${fact}\` comes from the adapter \`${adapter}\`, which this server does not have`,
    { fact, adapter },
    `write \`${settings[adapter] ?? `${adapter}: {…}`}\` in \`countersign.yaml\` of the data folder, and start the server again`,
  );

const within = async (
  adapter: FactSource,
  question: Parameters<FactSource['gather']>[0],
): Promise<Result<FactAnswer>> => {
  const failed = (why: string): Refused =>
    refuse(
      'fact-source-failed',
      'F2',
      `the adapter \`${adapter.name}\` did not bring fact \`${question.fact}\`: ${why}`,
      { fact: question.fact, adapter: adapter.name },
      'look at its configuration in `countersign.yaml` and at the log of the server',
    );
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Result<FactAnswer>>((resolve) => {
    timer = setTimeout(() => resolve(failed(`no answer within ${gatherWithinMs} ms`)), gatherWithinMs);
  });
  try {
    return await Promise.race([adapter.gather(question), late]);
  } catch {
    return failed('it broke down');
  } finally {
    clearTimeout(timer);
  }
};
