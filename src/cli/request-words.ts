// SPDX-License-Identifier: Apache-2.0
import type { Explanation, RequestSummary, RequestView } from '../contract/api.ts';
import { visibleText } from '../client/visible-text.ts';
import {
  gradeOf,
  isSetback,
  levelWord,
  outcomeWord,
  raisedWord,
  setbackReason,
  statusWord,
} from '../server/page-reasons.ts';
import { spoken } from './duration.ts';
import { named, namedAll, type People } from './named.ts';

/** A request in words: made when shown, from codes and values. What is shown of others' text is escaped. */
const text = (value: unknown): string => visibleText(typeof value === 'string' ? value : JSON.stringify(value));
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const names = (value: unknown): string => list(value).map(text).join(', ');
const persons = (value: unknown, people: People): string => namedAll(list(value).map(String), people);

/** What is asked, in one sentence: the first thing anybody reads of a request. */
export const sentence = (view: RequestSummary, people: People): string => {
  const what =
    view.title === '' ? visibleText(view.action) : `${visibleText(view.title)} (${visibleText(view.action)})`;
  const how = view.emergency ? ', as an EMERGENCY,' : '';
  return `${named(view.requester, people)} asks${how} for: ${what} at ${visibleText(view.target)}.`;
};

export const standing = (view: RequestSummary): string => {
  const seats = `${view.seats_filled} of ${view.seats_wanted} seats filled`;
  return `${statusWord(view.status)}; ${seats}; tier ${visibleText(view.tier)}; revision ${view.revision}`;
};

/** What holds the gate shut, to follow `Enforced`; the ledger applies changes of its own rules by itself. */
export const gradeLine = (grade: RequestSummary['enforced'], action = ''): string =>
  action.startsWith('governance.')
    ? 'by the ledger itself, which alone applies it; nobody has another way in.'
    : `${grade}: ${gradeOf({ action, enforced: grade })[1]}`;

const marks: Readonly<Record<string, string>> = { met: '[x]', pending: '[ ]', refused: '[!]', error: '[!]' };

const seatLine = (values: Explanation['values'], people: People): string => {
  const filled = list(values['filled']).map((one) => String((one as { person?: unknown } | null)?.person));
  const open = Number(values['wanted']) - filled.length;
  const by = filled.length === 0 ? '' : `, filled by ${namedAll(filled, people)}`;
  const could = persons(values['could_fill'], people);
  const still =
    open <= 0
      ? ''
      : `, ${open} still open${could === '' ? '; nobody can fill it now' : `; could be filled by ${could}`}`;
  return `seat ${text(values['seat'])}: ${text(values['wanted'])} of ${text(values['group'])}${by}${still}`;
};

const riskLine = (values: Explanation['values']): string => {
  const worst = list(values['worst_case']);
  const said = list(values['outcomes']).map((one) => outcomeWord(text(one)));
  return [
    `risk score ${text(values['score'])}, so tier ${text(values['tier'])}`,
    ...said,
    ...(worst.length === 0 ? [] : [`counted at their worst, because nobody vouches for them: ${names(worst)}`]),
  ].join('; ');
};

const lockLine = ({ status, values }: Explanation): string => {
  if (status === 'not-applicable') return 'no time lock';
  const wait = spoken(Number(values['wait_ms']));
  const until = values['until'] === null ? `starts when the gate is met` : `over at ${text(values['until'])}`;
  return `time lock of ${wait}, ${until}; may be vetoed by ${names(values['veto'])}`;
};

const line = (node: Explanation, people: People): string => {
  const { code, values } = node;
  if (code === 'seat') return seatLine(values, people);
  if (code === 'seats')
    return `${text(values['filled'])} of ${text(values['wanted'])} seats filled, each by another person`;
  if (code === 'risk') return riskLine(values);
  if (code === 'time-lock') return lockLine(node);
  if (code === 'independent-surface')
    return `${text(values['have'])} of ${text(values['wanted'])} votes signed on a surface that the operator does not serve`;
  if (code === 'rejected')
    return `rejected by ${named(String(values['person']), people)} (entry ${text(values['index'])})`;
  if (isSetback(code))
    return `the vote of ${named(String(values['person']), people)} counts no more: ${setbackReason(code).text}`;
  if (code.startsWith('request-')) return statusWord(code.slice('request-'.length));
  return `${text(code)} ${text(values)}`;
};

/** The explanation tree, one line each; codes this version does not know are shown as they are. */
export const explanationLines = (node: Explanation, people: People, depth = 0): readonly string[] => [
  `${'  '.repeat(depth)}${marks[node.status] ?? '[-]'} ${line(node, people)}`,
  ...node.children.flatMap((child) => explanationLines(child, people, depth + 1)),
];

/** Who could still fill a seat, out of the explanation. */
export const couldApprove = (view: RequestView): readonly string[] => {
  const found = new Set<string>();
  const visit = (node: Explanation): void => {
    if (node.code === 'seat') for (const person of list(node.values['could_fill'])) found.add(String(person));
    for (const child of node.children) visit(child);
  };
  visit(view.explanation);
  return [...found].sort();
};

export { levelWord, raisedWord, statusWord };

/** The requester's reason, or why there is none to be read. Date and words of an erasure are the server's word. */
export const reasonWords = ({ reason, reason_state: state, reason_erased: erased }: RequestView): string => {
  if (state === 'altered') return '(changed by somebody: it is not the text that was signed for)';
  if (reason !== null) return visibleText(reason);
  return erased === null
    ? '(no text was given)'
    : `(erased on ${erased.at}, by the server's word: ${visibleText(erased.why)})`;
};
