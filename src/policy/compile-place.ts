// SPDX-License-Identifier: Apache-2.0
import type { Refusal } from '../kernel/refusal.ts';
import type { CompiledAction } from './compiled.ts';
import type { DocumentPath } from './parse.ts';

/** Where in its `Action` document a refusal about a compiled action is best shown; `value` is the document as read. */
export const placeOf = (refusal: Refusal, action: CompiledAction, value: unknown): DocumentPath => {
  const { where, tier, fact, principal } = refusal.facts;
  if (typeof where === 'string') return placeOfName(where, principal, action, value);
  const cause = refusal.code === 'policy-gate-unmeetable' ? refusal.facts['cause'] : undefined;
  if (typeof tier === 'string' && cause === 'key-level') return [...placeOfTier(tier, action), 'sign-with'];
  if (typeof tier === 'string' && (cause === 'attribute-unknown' || cause === 'not-independent'))
    return item([...placeOfTier(tier, action), 'must-not-share'], String(refusal.facts['attribute'] ?? ''), value);
  if (typeof tier === 'string') return [...placeOfTier(tier, action), ...(keyOfTier[refusal.code] ?? ['name'])];
  if (refusal.code === 'policy-target') return ['target'];
  if (typeof fact !== 'string') return ['name'];
  if (refusal.code === 'policy-made-by') return item(['people', 'made-by'], `facts.${fact}`, value);
  return ['facts', fact, refusal.message.startsWith('`max') ? 'max' : 'source'];
};

const keyOfTier: { readonly [code: string]: DocumentPath } = {
  'policy-surface-unmeetable': ['independent-surface'],
  'policy-critical-surface': ['independent-surface'],
  'policy-critical-own-key': ['sign-with'],
  'policy-too-many-seats': ['approvals'],
  'policy-gate-unmeetable': ['approvals'],
  'policy-governance-weak': ['approvals'],
};

const placeOfTier = (name: string, action: CompiledAction): DocumentPath => [
  'tiers',
  Math.max(
    0,
    action.tiers.findIndex((one) => one.name === name),
  ),
];

const placeOfName = (where: string, principal: unknown, action: CompiledAction, value: unknown): DocumentPath => {
  const who = typeof principal === 'string' ? principal : '';
  const rule = /^risk\.(add|never_below)\[(\d+)\]$/.exec(where);
  if (rule !== null) return ['risk', key(rule[1] ?? ''), Number(rule[2]), 'when'];
  const [first = '', second = '', third = '', fourth = ''] = where.split('.');
  switch (first) {
    case 'ask':
    case 'run':
      return item(['people', first], who, value);
    case 'made_by':
      return ['people', 'made-by'];
    case 'facts':
      return second === '' ? ['facts'] : ['facts', second, 'source'];
    case 'tiers': {
      const tier = placeOfTier(second, action);
      if (third !== 'time_lock') return [...tier, 'approvals', third];
      return fourth === 'wait' ? [...tier, 'time-lock', 'wait'] : item([...tier, 'time-lock', 'veto'], who, value);
    }
    case 'emergency':
      return placeInEmergency(second, who, action, value);
    default:
      return second === '' ? [first] : [first, key(second)];
  }
};

const placeInEmergency = (part: string, who: string, action: CompiledAction, value: unknown): DocumentPath => {
  if (part !== '') return ['emergency', part];
  if (who === '') return ['emergency'];
  return action.emergency?.confirm.group === who && !action.emergency.ask.includes(who)
    ? ['emergency', 'confirm']
    : item(['emergency', 'ask'], who, value);
};

const key = (name: string): string => name.replaceAll('_', '-');

/** The place of one text in a list, or of the list where it does not stand in it. */
const item = (path: DocumentPath, text: string, value: unknown): DocumentPath => {
  let one = value;
  for (const part of path) one = (one as { readonly [key: string | number]: unknown } | null | undefined)?.[part];
  const at = Array.isArray(one) ? (one as readonly unknown[]).indexOf(text) : -1;
  return at < 0 ? path : [...path, at];
};
