// SPDX-License-Identifier: Apache-2.0
import type { CompiledAction, CompiledEmergency, CompiledFact, Expression } from './compiled.ts';
import { parseCondition } from './cel.ts';
import { placeOf } from './compile-place.ts';
import { salvage } from './compile-salvage.ts';
import { readDuration, readFactType, readMadeBy, readPrincipal, readSeat, readSource } from './compile-texts.ts';
import { checkFloor, checkTierNames, compilePrincipals, compileSet, compileTier } from './compile-tier.ts';
import { typeProblem } from './condition-type.ts';
import { checkConsistency } from './consistency.ts';
import { DocumentFindings } from './document-findings.ts';
import { reportShape } from './document-shape.ts';
import { actionDocument, actionExamples, type ActionDocument } from './document.ts';
import type { DocumentPath, SourceDocument } from './parse.ts';

/** What people read beside an action and nobody signs: never part of compiled policy. */
export type ActionProse = {
  readonly title: string;
  readonly runbook: string | null;
  /** Why a risk rule is there, in the order of the rules. */
  readonly why: { readonly add: readonly string[]; readonly never_below: readonly string[] };
};

const rule = 'P14';

/** Compiles one `Action` document, or says everything that is wrong with it. */
export const compileAction = (
  source: SourceDocument,
): { readonly action: CompiledAction; readonly prose: ActionProse; readonly found: DocumentFindings } => {
  const found = new DocumentFindings(source);
  const checked = actionDocument.safeParse(source.value);
  if (!checked.success)
    reportShape(
      source.value,
      checked.error.issues,
      { schema: actionDocument, code: 'policy-document-malformed', rule, examples: actionExamples },
      found,
    );
  const document = checked.success ? checked.data : salvage(source.value);
  const action = readAction(document, found);
  if (found.diagnostics.length === 0)
    for (const refusal of checkConsistency(action)) found.add(placeOf(refusal, action, source.value), tell(refusal));
  return { action, prose: proseOf(document), found };
};

const tell = ({ code, rule, message, help = '' }: ReturnType<typeof checkConsistency>[number]) => ({
  code,
  rule,
  message,
  help,
});

const readAction = (document: ActionDocument, found: DocumentFindings): CompiledAction => {
  const names = Object.keys(document.facts);
  const facts = Object.fromEntries(
    Object.entries(document.facts).map(([name, fact]) => [name, readFact(name, fact, names, found)]),
  );
  const { people, timing } = document;
  const time = (key: keyof typeof timing): number => found.take(['timing', key], rule, readDuration(timing[key]), 0);
  checkTierNames(document.tiers, found);
  return {
    name: document.name,
    owner: found.take(['owner'], rule, readPrincipal(document.owner, false), ''),
    target: document.target,
    enforced: document.enforced,
    facts,
    ask: compilePrincipals(people.ask, ['people', 'ask'], true, found),
    made_by: compileSet(
      people['made-by'].map((text, at) => found.take(['people', 'made-by', at], rule, readMadeBy(text, names), text)),
      ['people', 'made-by'],
      found,
    ),
    run: compilePrincipals(people.run, ['people', 'run'], true, found),
    risk: readRisk(document, facts, found),
    tiers: document.tiers.map((tier, at) => compileTier(tier, ['tiers', at], found)),
    timing: {
      answer_within_ms: time('answer-within'),
      permit_valid_ms: time('permit-valid'),
      review_within_ms: time('review-within'),
    },
    reviewers:
      document.reviewers === undefined
        ? null
        : found.take(['reviewers'], rule, readPrincipal(document.reviewers, false), ''),
    consume: document.consume,
    emergency: document.emergency === undefined ? null : readEmergency(document.emergency, found),
  };
};

const readFact = (
  name: string,
  fact: ActionDocument['facts'][string],
  names: readonly string[],
  found: DocumentFindings,
): CompiledFact => ({
  type: found.take(['facts', name, 'type'], rule, readFactType(fact.type), 'name'),
  source: found.take(['facts', name, 'source'], rule, readSource(fact.source, names), { kind: 'requester' }),
  max: fact.max ?? null,
});

const readRisk = (
  { risk, tiers }: ActionDocument,
  facts: CompiledAction['facts'],
  found: DocumentFindings,
): CompiledAction['risk'] => {
  const condition = (text: string, path: DocumentPath): Expression => readCondition(text, path, facts, found);
  risk['never-below'].forEach((one, at) => checkFloor(one.tier, tiers, ['risk', 'never-below', at, 'tier'], found));
  return {
    start: risk.start,
    add: risk.add.map(({ points, when }, at) => ({ points, when: condition(when, ['risk', 'add', at, 'when']) })),
    never_below: risk['never-below'].map(({ tier, when }, at) => ({
      tier,
      when: condition(when, ['risk', 'never-below', at, 'when']),
    })),
  };
};

const never: Expression = { op: 'literal', value: true };

// SPEC P15: read, then typed. What it may cost is for `checkConsistency`, which whoever activates the policy runs too.
const readCondition = (
  text: string,
  path: DocumentPath,
  facts: CompiledAction['facts'],
  found: DocumentFindings,
): Expression => {
  const parsed = parseCondition(text, Object.keys(facts));
  const expression = found.take(
    path,
    'P15',
    parsed.ok ? { ok: true, value: parsed.expression } : { ok: false, problem: parsed.problem },
    never,
  );
  const problem = parsed.ok ? typeProblem(expression, facts) : undefined;
  if (problem !== undefined)
    found.add(path, {
      code: 'policy-condition-type',
      rule: 'P15',
      message: problem,
      help: 'write a condition that comes to yes or no, such as `facts.migrations > 0`',
    });
  return expression;
};

const readEmergency = (
  emergency: NonNullable<ActionDocument['emergency']>,
  found: DocumentFindings,
): CompiledEmergency => {
  const { ask } = emergency;
  return {
    ask:
      typeof ask === 'string'
        ? [found.take(['emergency', 'ask'], rule, readPrincipal(ask, false), '')]
        : compilePrincipals(ask, ['emergency', 'ask'], false, found),
    confirm: found.take(['emergency', 'confirm'], rule, readSeat(emergency.confirm), { count: 0, group: '' }),
    lasts_ms: found.take(['emergency', 'lasts'], rule, readDuration(emergency.lasts), 0),
    review_within_ms: found.take(['emergency', 'review-within'], rule, readDuration(emergency['review-within']), 0),
  };
};

const proseOf = ({ title, runbook, risk }: ActionDocument): ActionProse => ({
  title,
  runbook: runbook ?? null,
  why: { add: risk.add.map((one) => one.why), never_below: risk['never-below'].map((one) => one.why) },
});
