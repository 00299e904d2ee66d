// SPDX-License-Identifier: Apache-2.0
import type { JsonObject, JsonValue } from '../kernel/refusal.ts';
import { counted, spoken } from '../kernel/spoken.ts';
import type { Check, CheckCode, Limit, LimitCode, Verdict } from './verdict.ts';

/**
 * A verdict in plain sentences, for a terminal:
 *
 *     PASS  pmt_5d41402abc4b2a76b9719d9110 for deploy.production on production/shop
 *       2 persons approved it: p_grace0 (platform), p_radia0 (security)
 *     …
 */
export const formatVerdict = (verdict: Verdict): string => {
  const lines = verdict.result === 'PASS' ? passLines(verdict) : failLines(verdict);
  return `${lines.map(printable).join('\n')}\n`;
};

const passLines = ({ permit, checks, notProven, outcome, grade }: Verdict): string[] => [
  `PASS  ${permit?.permit ?? ''} for ${permit?.action ?? ''} on ${permit?.target ?? ''}`,
  '',
  'Shown by this file, from your pin alone:',
  ...checks.map((check) => `  + ${checkSentence(check)}`),
  '',
  `It was ${outcomeWords(outcome)}. What holds the gate shut: ${grade ?? ''}.`,
  '',
  'Not shown by this file:',
  ...notProven.map((limit) => `  - ${limitSentence(limit)}`),
];

const failLines = ({ reasons, checks }: Verdict): string[] => [
  'FAIL  do not act on this file',
  '',
  ...reasons.flatMap(({ code, rule, message, help }) => [
    `  error[${code}]: ${message} (SPEC ${rule})`,
    ...(help === undefined ? [] : [`    help: ${help}`]),
  ]),
  ...(checks.some((check) => check.ok) ? ['', 'What held before:'] : []),
  ...checks.filter((check) => check.ok).map((check) => `  + ${checkSentence(check)}`),
];

const outcomeWords = (outcome: string | null): string => {
  const words: { readonly [outcome: string]: string } = {
    permitted: 'permitted, and the file does not say whether it was used',
    consumed: 'used, and no result was reported',
    succeeded: 'used, and the executor reports that it succeeded',
    failed: 'used, and the executor reports that it failed',
    unknown: 'used, and nobody can say what came of it',
  };
  return words[outcome ?? ''] ?? `permitted, then ${outcome ?? 'nothing more'}`;
};

/** What one check that held says. */
export const checkSentence = ({ code, values }: Check): string => sentences[code](values);

const sentences: { readonly [code in CheckCode]: (values: JsonObject) => string } = {
  file: ({ entries, documents }) => `the file reads as ${show(entries)} entries and ${show(documents)} documents`,
  pin: ({ pin }) => `it is of the ledger you pinned, ${show(pin)}`,
  history: ({ entries }) => `all ${show(entries)} entries follow from what was signed, by the rules of the ledger`,
  trial: ({ trial }) => (trial === true ? 'it is of a trial ledger, which you allowed' : 'it is of no trial ledger'),
  formats: ({ formats }) => `its formats are ${show(formats)}, which you took`,
  governance: ({ changes, roster, policy }) =>
    `${counted(Number(changes), 'change of governance was', 'changes of governance were')} approved under the rules before; roster version ${show(roster)}, policy version ${show(policy)}`,
  inclusion: ({ index, size, origin }) =>
    `the permit is entry ${show(index)} of the ledger ${show(origin)}, under a signed checkpoint of ${show(size)} entries`,
  seen: ({ sizes }) => `the checkpoints that voters had seen (sizes ${show(sizes)}) lie in the same history`,
  freshness: ({ words }) => `the checkpoint was the newest ${show(words)}`,
  change: ({ change, requester }) => `the change, built again from what ${show(requester)} signed, is ${show(change)}`,
  seats: ({ seats, tier }) =>
    `tier ${show(tier)}: its seats are filled by ${seatWords(seats)}, who signed that very digest`,
  'time-lock': ({ wait_ms, from, to }) =>
    `by the ledger's clock the time lock of ${spoken(Number(wait_ms))} was over: gate met ${show(from)}, permit ${show(to)}`,
  executor: ({ key, principal }) => `it is for the key ${show(key)} of ${show(principal)}, who may run it`,
  audience: ({ audience }) => `it is for the enrolled enforcement point ${show(audience)}`,
  persons: ({ persons, floor }) =>
    `${counted(Number(persons), 'distinct person')} approved; you ask for at least ${show(floor)}`,
  expectations: () => 'it is for what you said it should be for',
  validity: ({ now, expires_at }) => `by your clock (${show(now)}) it holds until ${show(expires_at)}`,
  witnesses: ({ cosigned, not_before, by }) =>
    `${counted(Number(cosigned), 'witness', 'witnesses')} you named cosigned the history with this permit in it: a quorum of them between ${show(not_before)} and ${show(by)}`,
  'witnessed-lock': ({ wait_ms, from, to }) =>
    `by the clocks of the witnesses you named the time lock of ${spoken(Number(wait_ms))} was kept: a quorum had seen the gate met by ${show(from)}, and cosigned the permit not before ${show(to)}`,
  later: ({ entries }) => `${counted(Number(entries), 'later entry is', 'later entries are')} proven as well`,
  consumption: ({ index }) => `the executor used it, signed, in entry ${show(index)}`,
  result: ({ index }) => `the executor reported the result, signed, in entry ${show(index)}`,
  review: ({ index }) => `a person without a part reviewed it, signed, in entry ${show(index)}`,
};

/** What a `PASS` does not say, and why. */
export const limitSentence = ({ code, values }: Limit): string => limits[code](values);

const limits: { readonly [code in LimitCode]: (values: JsonObject) => string } = {
  trial: () => 'anything about a real organisation: one person may have made all the keys of a trial ledger',
  'formats-v0': () => 'that later releases read v0 formats in the same way',
  'enforcement-advisory': () => 'that nobody could do it without a permit: enforcement of this action is advisory',
  'zero-persons': () => 'that any person approved it: its gate has no seats',
  'time-operators-clock': ({ time_lock_ms, witnessed }) =>
    witnessed === true
      ? "when anything else happened: beyond what the witnesses saw, time is the operator's clock"
      : time_lock_ms === undefined
        ? "when anything happened: time is the operator's clock"
        : "that the time lock really lasted so long: time is the operator's clock, and votes may have come later than it says",
  'order-operators-word': () =>
    "in which order the entries before the permit stood: their indexes are the operator's word, save for the permit's own",
  'no-witness': () => 'that everybody is shown this same history: no witness has signed its checkpoint',
  'refusals-not-shown': () =>
    'that nobody rejected, vetoed or withdrew it: whoever keeps the ledger could leave that out of this file',
  'governance-freshness': ({ roster }) =>
    `that roster version ${show(roster)} was the newest: a later change of roster or policy could be left out`,
  'seen-not-shown': ({ sizes }) => `that the checkpoints voters had seen (sizes ${show(sizes)}) lie in this history`,
  'adapter-facts': ({ facts }) => `these facts, which are as the server says: ${factWords(facts)}`,
  'surface-not-independent': () => 'what the voters were shown: all of them signed on pages that the server sends',
  'emergency-debt-state': () => "whether another emergency's review was owed at the time, which only raises this gate",
  'expiry-not-judged': () => 'that it still holds now: no clock was given to judge by',
  'consumption-not-in-file': () => 'whether it was used',
  'result-not-signed': () => 'what came of it: no result signed by the executor is in the file',
};

const show = (value: JsonValue | undefined): string =>
  typeof value === 'string' ? value : JSON.stringify(value ?? null);

const seatWords = (seats: JsonValue | undefined): string =>
  (seats as readonly { readonly seat: string; readonly person: string }[])
    .map(({ seat, person }) => `${person} (${seat})`)
    .join(', ');

const factWords = (facts: JsonValue | undefined): string =>
  Object.entries((facts ?? {}) as JsonObject)
    .map(([name, source]) => `${name} by ${show(source)}`)
    .join(', ');

// A file is a stranger's: nothing in it moves the cursor, turns text round or hides (A35).
const printable = (line: string): string =>
  line.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
