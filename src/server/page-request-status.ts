// SPDX-License-Identifier: Apache-2.0
import type { Explanation, RequestView } from '../contract/api.ts';
import { html, type Html } from './page-html.ts';
import { joined, personName, personNames, principalName, referenceName } from './page-names.ts';
import { gradeOf, gradeWords, isSetback, levelWord, setbackReason, statusWord, viewerReason } from './page-reasons.ts';
import type { RequestScene } from './page-request.ts';
import { when } from './page-time.ts';

/** ●●○ with its meaning beside it for whoever does not see it. */
export const seatDots = (filled: number, wanted: number): Html =>
  wanted > 12
    ? html`${filled} of ${wanted} seats filled`
    : html`<span class="dots" aria-hidden="true">${'●'.repeat(Math.min(filled, wanted))}${'○'.repeat(Math.max(wanted - filled, 0))}</span>
${filled} of ${wanted} ${wanted === 1 ? 'seat' : 'seats'} filled`;

const parts = (node: Explanation | undefined, code: string): readonly Explanation[] =>
  (node?.children ?? []).filter((child) => child.code === code);
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const countOf = (value: unknown): number => (typeof value === 'number' ? value : 0);
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as readonly unknown[]) : []);

/** Where it stands, what is missing, who could still give it, and what the reader may do. */
export const statusSection = (scene: RequestScene): Html => {
  const { view } = scene;
  return html`<section aria-labelledby="status"><h2 id="status">Where it stands</h2>
<p class="state"><span class="word">${statusWord(view.status)}</span> <span>${seatDots(view.seats_filled, view.seats_wanted)}</span>
<span class="tag">tier ${view.tier}</span></p>
${outcomeLine(scene)}
${seatList(scene)}
${setAsideList(scene)}
${lockLine(scene)}
${viewerLine(scene)}
${gradeNote(view)}</section>`;
};

const outcomeLine = ({ view, context }: RequestScene): Html | false => {
  if (view.status === 'finished' && view.outcome !== null)
    return html`<p>Result: <strong>${view.outcome}</strong>${view.outcome === 'unknown' && ' — nobody reported what came of it'}.</p>`;
  if (view.permit !== null)
    return html`<p>Permit <code>${view.permit.permit}</code>, filled by ${view.permit.persons} ${view.permit.persons === 1 ? 'person' : 'persons'}, may be used once ${
      view.status === 'permitted'
        ? html`before ${when(view.permit.expires_at, context.now)}`
        : html`and was issued ${when(view.permit.issued_at, context.now)}`
    }.</p>`;
  const { ended_by: by } = view;
  if (by === null || view.status === 'finished') return false;
  return html`<p>Ended by ${/^(person|machine):/.test(by) ? principalName(context.people, by) : html`<code>${by}</code>`}.</p>`;
};

type Seat = {
  readonly seat: string;
  readonly group: string;
  readonly filled: readonly string[];
  readonly missing: number;
  readonly could: readonly string[];
};

const seatsOf = (view: RequestView): readonly Seat[] =>
  parts(parts(view.explanation, 'seats')[0], 'seat').map(({ values }) => {
    const filled = listOf(values['filled']).map((one) => textOf((one as { person?: unknown }).person));
    return {
      seat: textOf(values['seat']),
      group: textOf(values['group']),
      filled,
      missing: Math.max(countOf(values['wanted']) - filled.length, 0),
      could: listOf(values['could_fill']).map(textOf),
    };
  });

const seatNames = (seats: readonly string[], last: string): Html =>
  joined(
    seats.map((seat) => html`<code>${seat}</code>`),
    last,
  );

/** `1 of 2 seats filled, privacy still open`, for whoever finds that their own vote fills none. */
const stillOpen = (view: RequestView): Html => {
  const open = seatsOf(view).filter(({ missing }) => missing > 0);
  return html`${view.seats_filled} of ${view.seats_wanted} seats ${view.seats_filled === 1 ? 'is' : 'are'} filled${
    open.length > 0 &&
    html`; ${seatNames(
      open.map(({ seat }) => seat),
      'and',
    )} still open`
  }`;
};

const seatList = ({ view, context }: RequestScene): Html => {
  const open = isOpen(view);
  return html`<ul>${seatsOf(view).map(({ seat, group, filled, missing, could }) => {
    const by =
      filled.length > 0 &&
      html`filled by ${joined(
        filled.map((person) => personName(context.people, person)),
        'and',
      )}`;
    const wanted =
      missing > 0 &&
      html`${missing} missing, of ${referenceName(context.people, group)}${
        open &&
        html`. ${could.length === 0 ? html`<strong>Nobody can fill it now.</strong>` : html`Could be filled by ${personNames(context.people, could)}`}`
      }`;
    return html`<li><strong>Seat <code>${seat}</code></strong>: ${by}${filled.length > 0 && missing > 0 && '; '}${wanted}</li>`;
  })}${parts(view.explanation, 'independent-surface').map(
    ({ values }) =>
      html`<li>Signed on an independent surface: ${countOf(values['have'])} of ${countOf(values['wanted'])} (<code>countersign approve</code>, or an origin that others operate)</li>`,
  )}</ul>`;
};

const setAsideList = ({ view, context }: RequestScene): Html => {
  const setAside = view.explanation.children.filter((node) => isSetback(node.code));
  const rejected = parts(view.explanation, 'rejected');
  return html`${rejected.map(({ values }) => html`<p>Rejected by ${personName(context.people, textOf(values['person']))}, entry ${countOf(values['index'])}.</p>`)}
${
  setAside.length > 0 &&
  html`<p>Votes that do not count:</p><ul>${setAside.map(({ code, values }) => {
    const { text, rule } = setbackReason(code);
    return html`<li>${personName(context.people, textOf(values['person']))}, entry ${countOf(values['index'])}: ${text} <span class="quiet">(rule ${rule})</span></li>`;
  })}</ul>`
}`;
};

const lockLine = ({ view, change, context }: RequestScene): Html | false => {
  const lock = change.gate.time_lock;
  if (lock === null) return false;
  if (view.locked_until === null)
    return view.status === 'pending' && html`<p>A time lock starts once the gate is met.</p>`;
  return view.locked_until > context.now
    ? html`<div class="note caution"><strong>Time lock running</strong><p>No permit before ${when(view.locked_until, context.now)}. Until the permit is used, any one of ${joined(
        lock.veto.map((reference) => referenceName(context.people, reference)),
        'or',
      )} can stop it: <code>countersign veto ${view.request}</code></p></div>`
    : html`<p>The time lock was over ${when(view.locked_until, context.now)}.</p>`;
};

const isOpen = ({ status }: RequestView): boolean => status === 'pending' || status === 'met';

const viewerLine = ({ view, context }: RequestScene): Html => {
  if (context.viewer === null)
    return html`<p class="you">You read with a token, which is nobody in particular. <a href="/sign-in?next=${encodeURIComponent(`/requests/${view.request}`)}">Sign in with your own key</a> to see what you may do here.</p>`;
  const machine = context.viewer.startsWith('machine:');
  const can = machine
    ? { may: false, why: 'viewer-is-machine', seats: [] }
    : isOpen(view)
      ? view.can_decide
      : { may: false, why: `request-${view.status}`, seats: [] };
  if (can === null) return html``;
  const { text, rule } = viewerReason(can.why);
  const more = can.may ? seatsForViewer(view, can.seats) : fillsNone(view, context.viewer);
  return html`<p class="you"><strong>You ${text}</strong> <span class="quiet">(rule ${rule})</span>.${more}${can.may && html` <a href="#sign">How to sign</a>`}</p>`;
};

const seatsForViewer = (view: RequestView, mine: readonly string[]): Html => {
  const open = seatsOf(view)
    .filter(({ seat, missing }) => missing > 0 && mine.includes(seat))
    .map(({ seat }) => seat);
  if (open.length > 0) return html` You could fill seat ${seatNames(open, 'or')}.`;
  return view.status === 'met'
    ? html` Every seat is filled; you can still reject.`
    : html` The seats you may fill are filled already: ${stillOpen(view)}.`;
};

// A vote can stand in the ledger and fill no seat, because others fill all that it could.
const fillsNone = (view: RequestView, viewer: string): Html | false => {
  const { vote, seat } = standingOf(view, viewer.replace(/^person:/, ''));
  if (view.status !== 'pending' || vote?.decision !== 'approve' || seat !== undefined) return false;
  return html` Your vote fills no seat now: ${stillOpen(view)}.`;
};

const standingOf = (view: RequestView, person: string) => ({
  vote: view.votes.find((one) => one.person === person && one.revision === view.revision),
  seat: seatsOf(view).find(({ filled }) => filled.includes(person))?.seat,
});

const gradeNote = (view: RequestView): Html => {
  const [word, meaning] = gradeOf(view);
  const weak = word === gradeWords.advisory[0];
  return html`<div class="note ${weak ? 'caution' : 'plain'}"><strong>${word}</strong><p>${meaning}</p></div>`;
};

const decisionText = (view: RequestView, { person, decision, revision }: RequestView['votes'][number]): Html => {
  if (decision === 'reject') return html`rejected`;
  if (revision !== view.revision) return html`approved an earlier revision`;
  const { seat } = standingOf(view, person);
  return seat === undefined ? html`approved, fills no seat` : html`approved, fills <code>${seat}</code>`;
};

/** Every vote cast, with the ledger entry that holds it. */
export const votesSection = ({
  view,
  context,
}: RequestScene): Html => html`<section aria-labelledby="votes"><h2 id="votes">Votes</h2>
${
  view.votes.length === 0
    ? html`<p class="quiet">${isOpen(view) ? 'Nobody has voted yet.' : 'Nobody has voted.'}</p>`
    : html`<table><thead><tr><th scope="col">Person</th><th scope="col">Decision</th><th scope="col">Signed with</th><th scope="col">Revision</th><th scope="col">Ledger entry</th></tr></thead>
<tbody>${view.votes.map(
        (vote) => html`<tr><th scope="row">${personName(context.people, vote.person)}</th>
<td data-label="Decision">${decisionText(view, vote)}</td><td data-label="Signed with">${levelWord(vote.level)}</td>
<td data-label="Revision">${vote.revision}</td><td data-label="Ledger entry">${vote.index}</td></tr>`,
      )}</tbody></table>`
}
<p class="quiet small">Ledger entries that tell of this request: ${view.entries.join(', ') || 'none'}.</p></section>`;
