// SPDX-License-Identifier: Apache-2.0
import type { ActionDocument, TierDocument } from './document.ts';

/**
 * What can still be read of an `Action` document whose shape is wrong, so that one reading tells of everything else
 * too. Its stand-ins are never compiled: whatever comes of a document with findings is thrown away.
 */
export const salvage = (value: unknown): ActionDocument => {
  const action = map(value);
  const people = map(action['people']);
  const risk = map(action['risk']);
  const timing = map(action['timing']);
  return {
    kind: 'Action',
    name: text(action['name']),
    title: text(action['title']),
    owner: text(action['owner']),
    target: text(action['target']),
    enforced: 'advisory',
    facts: Object.fromEntries(
      Object.entries(map(action['facts'])).map(([name, fact]) => [
        name,
        { type: text(map(fact)['type']), source: text(map(fact)['source']) },
      ]),
    ),
    people: { ask: texts(people['ask']), 'made-by': texts(people['made-by']), run: texts(people['run']) },
    risk: {
      start: 0,
      add: list(risk['add']).map((rule) => ({ points: 0, when: text(map(rule)['when']), why: '' })),
      'never-below': list(risk['never-below']).map((rule) => ({
        tier: text(map(rule)['tier']),
        when: text(map(rule)['when']),
        why: '',
      })),
    },
    tiers: list(action['tiers']).map(salvageTier),
    timing: {
      'answer-within': text(timing['answer-within']),
      'permit-valid': text(timing['permit-valid']),
      'review-within': text(timing['review-within']),
    },
    consume: 'online',
    ...(action['reviewers'] === undefined ? {} : { reviewers: text(action['reviewers']) }),
    ...(action['emergency'] === undefined ? {} : { emergency: salvageEmergency(map(action['emergency'])) }),
  };
};

const salvageTier = (value: unknown, at: number): TierDocument => {
  const tier = map(value);
  const lock = map(tier['time-lock']);
  const score = tier['from-score'];
  return {
    name: text(tier['name']),
    'from-score': typeof score === 'number' ? score : at,
    approvals: Object.fromEntries(Object.entries(map(tier['approvals'])).map(([name, seat]) => [name, text(seat)])),
    automatic: tier['automatic'],
    'must-not-share': texts(tier['must-not-share']),
    'sign-with': 'own-key',
    'independent-surface': 0,
    review: tier['review'] === undefined ? 'none' : text(tier['review']),
    ...(tier['time-lock'] === undefined
      ? {}
      : { 'time-lock': { wait: text(lock['wait']), veto: texts(lock['veto']) } }),
  };
};

const salvageEmergency = (emergency: Fields): NonNullable<ActionDocument['emergency']> => ({
  ask: typeof emergency['ask'] === 'string' ? emergency['ask'] : texts(emergency['ask']),
  confirm: text(emergency['confirm']),
  lasts: text(emergency['lasts']),
  'review-within': text(emergency['review-within']),
});

type Fields = { readonly [key: string]: unknown };
const map = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as readonly unknown[]) : []);
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const texts = (value: unknown): string[] => list(value).map(text);
