// SPDX-License-Identifier: Apache-2.0

/** Codes of the core in plain words, with the rule (spec/SPEC.md) that they rest on. Made when shown, never stored. */
export type Reason = { readonly text: string; readonly rule: string };

const reason = (text: string, rule: string): Reason => ({ text, rule });

/** Why this person may or may not decide, to follow `You`. Codes: `canDecide` and `Setback` in src/approve. */
const viewerReasons: { readonly [code: string]: Reason } = {
  entitled: reason('may decide on this: you are in a group that fills a seat, and had no part in the change', 'V3'),
  'voter-not-active': reason('may not decide: you are not an active person of the roster', 'V4'),
  'voter-is-producer': reason(
    'may not decide: you had a hand in this change, or stand behind a machine that had',
    'V3',
  ),
  'voter-is-executor': reason('may not decide: you would carry this out', 'V3'),
  'voter-lost-seat': reason('may not decide: you are in none of the groups whose seats these are', 'V3'),
  'voter-not-independent': reason(
    'may not decide: you share a team, a manager or the like with somebody who had a hand in this change',
    'V3',
  ),
  'vote-already-cast': reason('have voted on this revision already; one person has one vote, whatever keys', 'V3'),
  'viewer-is-machine': reason('are signed in as a machine; a machine never fills a seat', 'V1'),
};

/** Why a vote that was cast counts no more, to follow the voter's name. */
const setbackReasons: { readonly [code: string]: Reason } = {
  'vote-expired': reason('the vote’s own end has passed', 'V2'),
  'vote-of-another-revision': reason('it was cast for an earlier revision', 'V1'),
  'voter-not-active': reason('the voter is not active any more', 'V4'),
  'voter-is-producer': reason('the voter had a hand in the change', 'V3'),
  'voter-is-executor': reason('the voter would carry it out', 'V3'),
  'voter-lost-seat': reason('the voter is in none of the gate’s groups any more', 'V4'),
  'voter-not-independent': reason('the voter is not independent of who made the change', 'V3'),
  'key-not-active': reason('the key is not active any more', 'V4'),
  'key-distrusted': reason('the key is distrusted from an earlier entry on', 'V5'),
  'key-level-too-low': reason('the key does not show presence as the gate asks', 'V3'),
};

const overReasons: { readonly [status: string]: string } = {
  permitted: 'the permit is issued; a vetoer can still stop it',
  consumed: 'it has been carried out',
  finished: 'it is finished',
  refused: 'it was refused',
  withdrawn: 'it was withdrawn',
  vetoed: 'it was vetoed',
  expired: 'it has expired',
};

/** An unknown code is shown as it is, never passed over. */
export const viewerReason = (code: string): Reason => {
  const status = code.startsWith('request-') ? code.slice('request-'.length) : '';
  const over = Object.hasOwn(overReasons, status) ? overReasons[status] : undefined;
  if (over !== undefined) return reason(`can decide nothing here any more: ${over}`, 'V2');
  return (Object.hasOwn(viewerReasons, code) && viewerReasons[code]) || reason(`may not decide: ${code}`, 'V3');
};

export const setbackReason = (code: string): Reason =>
  (Object.hasOwn(setbackReasons, code) && setbackReasons[code]) || reason(code, 'V4');

export const isSetback = (code: string): boolean => Object.hasOwn(setbackReasons, code);

const statusWords: { readonly [status: string]: string } = {
  pending: 'Waiting for decisions',
  met: 'Gate met',
  permitted: 'Permit issued',
  consumed: 'Carried out, result not yet reported',
  finished: 'Finished',
  refused: 'Refused',
  withdrawn: 'Withdrawn',
  vetoed: 'Vetoed',
  expired: 'Expired',
};
export const statusWord = (status: string): string =>
  (Object.hasOwn(statusWords, status) && statusWords[status]) || status;

/** What really holds the gate shut. */
export const gradeWords = {
  advisory: [
    'Advisory',
    'Nothing at the target holds this gate shut: someone could do this without us. It earns no credit as a control.',
  ],
  'credential-held': [
    'Credential held',
    'The credential is given out against a permit only. Whoever holds it from elsewhere is not stopped by us.',
  ],
  'target-verified': ['Target verified', 'The target itself checks the permit before it acts, from a pin of its own.'],
} as const;

/**
 * What holds the gate of this action shut, in a word and a sentence. The rules themselves are changed by the ledger
 * alone, whatever grade their policy names.
 */
export const gradeOf = ({
  action,
  enforced,
}: {
  readonly action: string;
  readonly enforced: keyof typeof gradeWords;
}): readonly [word: string, meaning: string] =>
  action.startsWith('governance.')
    ? ['Applied by the ledger', 'Applied by the ledger itself; nobody has another way in.']
    : gradeWords[enforced];

const levelWords: { readonly [level: string]: string } = {
  'own-key': 'a key of one’s own',
  present: 'a key that shows a touch and a check of the person',
  hardware: 'a hardware key that shows a touch and a check of the person',
};
export const levelWord = (level: string): string => (Object.hasOwn(levelWords, level) && levelWords[level]) || level;

const raisedWords: { readonly [code: string]: string } = {
  'debt-open': 'The review of an earlier emergency is still owed.',
  'nobody-from-another-team': 'Nobody of another team could command now, so a commander of the same team is taken.',
};
export const raisedWord = (code: string): string =>
  (Object.hasOwn(raisedWords, code) && raisedWords[code]) || `Raised above the policy’s own gate: ${code}.`;

/** `add[0]:worst-case` in words. */
export const outcomeWord = (outcome: string): string => {
  const match = /^(add|never_below)\[(\d+)\]:(.*)$/.exec(outcome);
  if (match === null) return outcome;
  const rule = `${match[1] === 'add' ? 'Points rule' : 'Floor rule'} ${Number(match[2]) + 1}`;
  const said: { readonly [verdict: string]: string } = {
    true: 'applies',
    false: 'does not apply',
    'worst-case': 'counted at its worst, because nobody vouches for a fact it rests on',
    error: 'could not be evaluated, so it counts',
  };
  const verdict = match[3] ?? '';
  return `${rule}: ${(Object.hasOwn(said, verdict) && said[verdict]) || verdict}.`;
};
