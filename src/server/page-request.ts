// SPDX-License-Identifier: Apache-2.0
import type { RequestView } from '../contract/api.ts';
import { digestOf } from '../crypto/digest.ts';
import { parseCanonical } from '../kernel/canonical-json.ts';
import type { ChangeDocument } from '../request/change-document.ts';
import { readerPage, type PageContext } from './page-frame.ts';
import { html, type Html } from './page-html.ts';
import { principalName } from './page-names.ts';
import { bytesSection } from './page-request-bytes.ts';
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
  const scene: RequestScene = { view, change: parsed.value as unknown as ChangeDocument, context };
  return readerPage(
    context,
    `${view.action} on ${view.target}`,
    html`${heading(scene)}${emergencyNote(scene)}${statusSection(scene)}${runSection(scene)}${factsSection(scene)}${riskSection(scene)}
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
  const open = view.status === 'pending';
  return html`<h1>${view.title === '' ? view.action : view.title}</h1>
<p class="target"><code>${view.action}</code> on <code>${view.target}</code></p>
<p class="lead">${asker} asks for this${behind}. ${
    open ? html`It has to be decided by ${when(view.answer_by, context.now)}` : html`It ends`
  }${open ? ' and ends' : ''} by itself at the latest on ${when(view.not_after, context.now)}.</p>
<p class="quiet small">Asked ${when(view.requested_at, context.now)} · request <code>${view.request}</code> · revision ${change.revision}</p>${view.runbook !== null && html`<p class="small">Runbook: <code>${view.runbook}</code></p>`}`;
};

const emergencyNote = ({ view, context }: RequestScene): Html => {
  const { debt } = view;
  const owed =
    debt !== null &&
    html`<div class="note ${debt.overdue ? 'danger' : 'caution'}"><strong>${debt.overdue ? 'Review overdue' : 'Review owed'}</strong>
<p>Somebody of <code>${debt.reviewers}</code> who had no part in it has to review this by ${when(debt.due_at, context.now)}.</p></div>`;
  const emergency =
    view.emergency &&
    html`<div class="note danger"><strong>Emergency</strong>
<p>This goes the emergency path: a commander who is another person, no wait, a permit for a short time. Everybody concerned has been alerted, and an independent review is owed afterwards.</p></div>`;
  return html`${emergency}${owed}`;
};

const reasonSection = ({
  view,
}: RequestScene): Html => html`<section aria-labelledby="reason"><h2 id="reason">Reason</h2>
${
  view.reason === null
    ? html`<p class="quiet">No text: none was given, or it was erased. Its commitment stays in the signed bytes.</p>`
    : html`<blockquote>${view.reason.split(/\r?\n/).map((line) => html`<p><bdi class="own">${line}</bdi></p>`)}</blockquote>
<p class="quiet small">The requester’s own words. No rule reads them.</p>`
}</section>`;
