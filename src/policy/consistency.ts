// SPDX-License-Identifier: Apache-2.0
import type { RefusalCode } from '../kernel/refusal-codes.ts';
import type { JsonObject, Refusal } from '../kernel/refusal.ts';
import { defaultListMax } from './compiled.ts';
import type { CompiledAction, CompiledFact, Expression } from './compiled.ts';
import { costOf, maxCost } from './condition-cost.ts';
import { factsIn } from './facts-in.ts';

/** A refusal about one action; `facts.action` names it, so that whoever reads many can tell them apart. */
export const about = (
  action: CompiledAction,
  code: RefusalCode,
  rule: string,
  message: string,
  help: string,
  facts: JsonObject = {},
): Refusal => ({
  code,
  rule,
  message: `${message} in \`${action.name}\``,
  facts: { action: action.name, ...facts },
  help,
});

/** What is wrong with an action whoever the roster has: facts, sources, conditions, target (SPEC P4, P5). */
export const checkConsistency = (action: CompiledAction): readonly Refusal[] => [
  ...Object.entries(action.facts).flatMap(([name, fact]) => checkFact(action, name, fact)),
  ...checkMadeBy(action),
  ...checkTarget(action),
  ...action.risk.add.flatMap((rule, at) => checkCondition(action, `risk.add[${at}]`, rule.when)),
  ...action.risk.never_below.flatMap((rule, at) => checkCondition(action, `risk.never_below[${at}]`, rule.when)),
];

const factOf = (action: CompiledAction, name: string): CompiledFact | undefined =>
  Object.hasOwn(action.facts, name) ? action.facts[name] : undefined;

const unknownFact = (action: CompiledAction, where: string, name: string): Refusal =>
  about(
    action,
    'policy-fact-unknown',
    'P4',
    `\`${where}\` names fact \`${name}\`, which is not declared`,
    `declare it under \`facts\`, or name one of ${Object.keys(action.facts).join(', ') || 'none'}`,
    { where, fact: name },
  );

/** What each adapter reads and gives. */
const adapters: {
  readonly [name: string]: { readonly gives: CompiledFact['type']; readonly reads: CompiledFact['type'] };
} = {
  git: { gives: 'list<person>', reads: 'commit' },
  'file-digest': { gives: 'digest', reads: 'path' },
};
export const adapterNames: readonly string[] = Object.keys(adapters);

const checkFact = (action: CompiledAction, name: string, fact: CompiledFact): readonly Refusal[] => {
  const { source, type, max } = fact;
  const found: Refusal[] = [];
  const bounded = type === 'int' || type.startsWith('list<');
  if (max !== null && (!bounded || (type !== 'int' && (max < 1 || max > 1000))))
    found.push(
      about(
        action,
        'policy-fact-source',
        'P4',
        `\`max: ${max}\` of fact \`${name}\` has no effect or is out of range`,
        'give `max` to whole numbers, and to lists from 1 to 1000',
        { fact: name },
      ),
    );
  if (source.kind !== 'adapter') return found;
  const adapter = Object.hasOwn(adapters, source.adapter) ? adapters[source.adapter] : undefined;
  if (adapter === undefined) {
    const help = `use ${adapterNames.map((known) => `\`${known}(…)\``).join(', ')}, \`attested(group:…)\` or \`requester\``;
    return [
      ...found,
      about(
        action,
        'policy-unsupported',
        'P4',
        `source \`${source.adapter}(…)\` of fact \`${name}\` is not supported yet`,
        help,
        { fact: name },
      ),
    ];
  }
  const argument = factOf(action, source.argument);
  if (argument === undefined) return [...found, unknownFact(action, `facts.${name}`, source.argument)];
  if (type !== adapter.gives || argument.type !== adapter.reads || argument.source.kind !== 'requester')
    found.push(
      about(
        action,
        'policy-fact-source',
        'P4',
        `fact \`${name}\` cannot come from \`${source.adapter}(${source.argument})\``,
        `\`${source.adapter}\` gives \`${adapter.gives}\` and reads a \`${adapter.reads}\` that the requester names`,
        { fact: name },
      ),
    );
  return found;
};

// Naming producers only helps when the one who asks is not the one who names them: who leaves himself out clears himself.
const checkMadeBy = (action: CompiledAction): readonly Refusal[] =>
  action.made_by.flatMap((entry) => {
    if (entry === 'requester') return [];
    const name = entry.slice('facts.'.length);
    const fact = factOf(action, name);
    if (fact === undefined) return [unknownFact(action, 'made_by', name)];
    if (fact.type === 'list<person>' && fact.source.kind !== 'requester') return [];
    return [
      about(
        action,
        'policy-made-by',
        'P4',
        `\`${entry}\` cannot say who made it`,
        'name a fact of type `list<person>` whose source is not the requester, such as `git(commit)`',
        { fact: name },
      ),
    ];
  });

const targetTypes: ReadonlySet<string> = new Set(['name', 'commit', 'digest', 'text-digest', 'int', 'path']);

/**
 * Different facts must give different targets (C2): each part between slashes holds at most one placeholder, and a
 * path, which has slashes of its own, stands alone at the end.
 */
const checkTarget = (action: CompiledAction): readonly Refusal[] => {
  const wrong = (why: string, fact: string | null): Refusal =>
    about(
      action,
      'policy-target',
      'P5',
      `target \`${action.target}\` ${why}`,
      'write parts between slashes, each with one `{fact}` at most, a path alone at the end',
      { fact },
    );
  const parts = action.target.split('/');
  return parts.flatMap((part, at) => {
    const names = [...part.matchAll(/\{([a-z][a-z0-9_]{0,62})\}/g)].map((match) => match[1] ?? '');
    const plain = part.replaceAll(/\{[a-z][a-z0-9_]{0,62}\}/g, 'x');
    if (!/^[A-Za-z0-9._][A-Za-z0-9._:@-]*$/.test(plain) || plain === '.' || plain === '..')
      return [wrong(`has the part \`${part}\`, which is not plain`, null)];
    if (names.length > 1) return [wrong(`has two facts in the part \`${part}\``, null)];
    const name = names[0];
    if (name === undefined) return [];
    const fact = factOf(action, name);
    if (fact === undefined) return [unknownFact(action, 'target', name)];
    if (!targetTypes.has(fact.type)) return [wrong(`cannot hold a \`${fact.type}\``, name)];
    return fact.type === 'path' && (at < parts.length - 1 || part !== `{${name}}`)
      ? [wrong(`has the path \`${name}\` elsewhere than alone at its end`, name)]
      : [];
  });
};

const checkCondition = (action: CompiledAction, where: string, when: Expression): readonly Refusal[] => {
  const unknown = factsIn(when).filter((name) => factOf(action, name) === undefined);
  if (unknown.length > 0) return unknown.map((name) => unknownFact(action, where, name));
  const cost = costOf(when, (name) => factOf(action, name)?.max ?? defaultListMax);
  return cost <= maxCost
    ? []
    : [
        about(
          action,
          'policy-condition-costly',
          'P3',
          `condition \`${where}\` may need ${cost} steps, more than ${maxCost}`,
          'lower `max` of the lists it goes through, or nest fewer of them',
          { where },
        ),
      ];
};
