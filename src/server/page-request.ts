// SPDX-License-Identifier: Apache-2.0
import type { RequestView } from '../contract/api.ts';
import { digestOf } from '../crypto/digest.ts';
import { parseCanonical } from '../kernel/canonical-json.ts';
import type { ChangeDocument } from '../request/change-document.ts';
import type { AlertStanding } from './notices.ts';
import { readerPage, type PageContext } from './page-frame.ts';
import { html, type Html } from './page-html.ts';
import { principalName, referenceName } from './page-names.ts';
import { bytesSection } from './page-request-bytes.ts';
import type { ShownContent } from './page-request-content.ts';
import { factsSection, gateSection, riskSection, runSection } from './page-request-change.ts';
import { signSection } from './page-request-sign.ts';
import { statusSection, votesSection } from './page-request-status.ts';
import { when } from './page-time.ts';

export type RequestPageContext = PageContext & {
  /** The statements the viewer would sign, exactly; null when they cannot vote. */
  readonly statement: { readonly approve: string; readonly reject: string } | null;
  /** SSHSIG namespace of a vote. */
  readonly namespace: string;
  /** Person accountable for the machine that asked; null when a person asked, or nobody is known. */
  readonly behind: string | null;
  /** How the alert stands, when it is an emergency. */
  readonly alert: AlertStanding;
  readonly content: ShownContent;
};

/** What the sections of the page are made from: the answer of the API, and the change document read from its bytes. */
export type RequestScene = {
  readonly view: RequestView;
  readonly change: ChangeDocument;
  readonly context: RequestPageContext;
};

/**
 * One request, to read and to sign from: everything that is in the signed bytes, in words and then as it is. It runs
 * no script. Whoever serves it can still lie on it, and it says so (INV11).
 */
export const renderRequestPage = (view: RequestView, context: RequestPageContext): string => {
  const parsed = parseCanonical(view.change_text);
  // C23: what is shown is read from the very bytes that are signed, so that the two cannot part.
  if (!parsed.ok || digestOf(view.change_text) !== view.change)
    return readerPage(
      context,
      'Damaged request',
      html`<h1>This request cannot be shown</h1>
<div class="note danger"><strong>Sign nothing</strong><p>The bytes of <code>${view.request}</code> do not give the digest that would be signed.
Tell the operator, and look at the request with <code>countersign show</code> and your own pin.</p></div>`,
    );
  // Nobody is handed bytes to sign for what this page could not show them.
  const statement = context.content.kind === 'hidden' ? null : context.statement;
  const change = parsed.value as unknown as ChangeDocument;
  const scene: RequestScene = { view, change, context: { ...context, statement } };
  return readerPage(
    context,
    `${view.action} on ${view.target}`,
    html`${heading(scene)}${emergencyNote(scene)}${reviewNote(scene)}${statusSection(scene)}${runSection(scene)}${factsSection(scene)}${riskSection(scene)}
${gateSection(scene)}${votesSection(scene)}${reasonSection(scene)}${bytesSection(scene)}${signSection(scene)}`,
  );
};

const heading = ({ view, change, context }: RequestScene): Html => {
  const asker = principalName(context.people, view.requester);
  const behind =
    view.requester.startsWith('machine:') &&
    (context.behind === null
      ? html`; nobody is known who is accountable for it`
      : html`, for which ${principalName(context.people, `person:${context.behind}`)} is accountable`);
  const title = view.title === '' ? view.action : view.title;
  const { status } = view;
  const end = html`by itself at the latest on ${when(view.not_after, context.now)}`;
  const asks = html`${asker} ${status === 'pending' || status === 'met' ? 'asks' : 'asked'} for this${behind}.`;
  return html`<h1>${title}</h1>
<p class="target"><code>${view.action}</code> on <code>${view.target}</code></p>
<p class="lead">${asks}${status === 'pending' && html` It has to be decided by ${when(view.answer_by, context.now)} and ends ${end}.`}${status === 'met' && html` It ends ${end}.`}</p>
<p class="quiet small">Asked ${when(view.requested_at, context.now)} · request <code>${view.request}</code> · revision ${change.revision}</p>${view.runbook !== null && html`<p class="small">Runbook: <code>${view.runbook}</code></p>`}`;
};

const times = (count: number, one: string): string => `${count} ${one}${count === 1 ? '' : 's'}`;

// SPEC M1: nobody shall believe that people know of it who have not been told.
const alertText = ({ taken, channels }: AlertStanding): Html => {
  if (taken > 0) return html`Alerted through ${times(taken, 'channel')}.`;
  return channels === 0
    ? html`<strong>NOBODY has been alerted: no channel is configured.</strong>`
    : html`<strong>NOBODY has been alerted yet: no channel has taken it.</strong>`;
};

const emergencyNote = ({ view, context }: RequestScene): Html | false => {
  if (!view.emergency) return false;
  const open = view.status === 'pending' || view.status === 'met';
  return html`<div class="note danger"><strong>Emergency</strong>
<p>This ${open ? 'goes' : 'went'} the emergency path: a commander who is another person, no wait, a permit for a short time. ${open && 'Once its permit is issued, an independent review of it is owed.'}</p>
<p>${alertText(context.alert)}</p></div>`;
};

const findings = {
  justified: ['plain', 'Reviewed: justified'],
  unjustified: ['danger', 'Reviewed: NOT justified'],
  'needs-change': ['caution', 'Reviewed: something has to change'],
} as const;

const reviewNote = ({ view: { debt, review }, context }: RequestScene): Html | false => {
  if (debt !== null)
    return html`<div class="note ${debt.overdue ? 'danger' : 'caution'}"><strong>${debt.overdue ? 'Review overdue' : 'Review owed'}</strong>
<p>Somebody of ${referenceName(context.people, debt.reviewers)} who had no part in it has to review this by ${when(debt.due_at, context.now)}.</p></div>`;
  if (review === null) return false;
  const [look, heading] = findings[review.finding];
  return html`<div class="note ${look}"><strong>${heading}</strong>
<p>${principalName(context.people, review.by)}, who had no part in it, closed the review ${when(review.at, context.now)}.</p></div>`;
};

const reasonSection = (scene: RequestScene): Html =>
  html`<section aria-labelledby="reason"><h2 id="reason">Reason</h2>${reasonText(scene)}</section>`;

const reasonText = ({ view, context }: RequestScene): Html => {
  const { reason, reason_state: state, reason_erased: erased } = view;
  if (erased !== null)
    return html`<p class="quiet">The text was erased on ${when(erased.at, context.now)}: <bdi class="own">${erased.why}</bdi>. Its commitment stays in the signed bytes.</p>`;
  if (state === 'altered')
    return html`<div class="note danger"><strong>The text was changed</strong>
<p>What is kept here is not what the requester signed for, so it is not shown. Tell whoever runs the server.</p></div>`;
  if (reason === null)
    return html`<p class="quiet">No text was given. A commitment to it stands in the signed bytes.</p>`;
  return html`<blockquote>${reason.split(/\r?\n/).map((line) => html`<p><bdi class="own">${line}</bdi></p>`)}</blockquote>
<p class="quiet small">The requester’s own words. No rule reads them.</p>`;
};
