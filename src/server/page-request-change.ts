// SPDX-License-Identifier: Apache-2.0
import { canonicalize } from '../kernel/canonical-json.ts';
import type { JsonValue } from '../kernel/refusal.ts';
import type { FactRecord } from '../request/change-document.ts';
import { asciiText, clipped } from './page-escape.ts';
import { html, type Html } from './page-html.ts';
import { joined, personName, principalName, referenceName } from './page-names.ts';
import { levelWord, outcomeWord, raisedWord } from './page-reasons.ts';
import type { RequestScene } from './page-request.ts';
import { contentBlock } from './page-request-content.ts';
import { durationText } from './page-time.ts';

const mostShown = 2000;

/** A value as it is; letters beyond ASCII are spelt out once more below, because some look like others. */
const valueText = (value: JsonValue): Html => {
  const text = typeof value === 'string' ? value : canonicalize(value);
  const ascii = asciiText(text);
  return html`<code>${clipped(text, mostShown)}</code>${ascii !== text && html`<br><span class="quiet small">spelt out: <code>${clipped(ascii, mostShown)}</code></span>`}`;
};

const willHappen: readonly string[] = ['pending', 'met', 'permitted'];

/** What will be carried out, where, by whom, and from which state. */
export const runSection = ({
  view,
  change,
  context,
}: RequestScene): Html => html`<section aria-labelledby="run"><h2 id="run">${willHappen.includes(view.status) ? 'What will happen' : 'What was asked for'}</h2>
<dl><dt>Action</dt><dd><code>${change.action}</code></dd>
<dt>Target</dt><dd>${valueText(change.target)}</dd>
${change.content !== null && html`<dt>Content digest</dt><dd><code>${change.content}</code></dd>`}
<dt>Carried out by</dt><dd>${
  change.executor === null
    ? 'the ledger itself, after its approval'
    : html`${principalName(context.people, change.executor.principal)} with key <code>${change.executor.key}</code>`
}</dd>
${change.audience !== null && html`<dt>Enforcement point</dt><dd><code>${change.audience}</code></dd>`}
<dt>Use</dt><dd>${
  change.executor === null
    ? html`once, with <code>countersign activate</code> when the gate is met; it needs no permit`
    : html`once, within ${durationText(change.permit_valid_ms)} of the permit, ${change.consume === 'online' ? 'recorded in the ledger first' : 'recorded by the enforcement point and reported afterwards'}`
}</dd>
<dt>State before</dt><dd>${change.from_state === null ? html`<span class="quiet">not recorded</span>` : valueText(change.from_state)}</dd>
<dt>Had a hand in it</dt><dd>${joined(
  change.producers.map((person) => personName(context.people, person)),
  'and',
)} <span class="quiet">— none of them may fill a seat</span></dd></dl>${contentBlock(context.content)}</section>`;

const voucher = ({ vouched, source, by }: FactRecord, { context }: RequestScene): Html => {
  if (vouched === 'attested' && by !== null) return html`signed by ${principalName(context.people, by)}`;
  if (vouched === 'adapter') return html`this server, from <code>${source}</code>`;
  return html`<span class="tag caution">requester’s own word</span> <span class="quiet">nobody else vouches for it</span>`;
};

/** The facts, and who vouches for each. */
export const factsSection = (scene: RequestScene): Html => {
  const facts = Object.entries(scene.change.facts);
  return html`<section aria-labelledby="facts"><h2 id="facts">Facts and who vouches for them</h2>
${
  facts.length === 0
    ? html`<p class="quiet">This action declares no facts.</p>`
    : html`<table><thead><tr><th scope="col">Fact</th><th scope="col">Value</th><th scope="col">Vouched for by</th></tr></thead>
<tbody>${facts.map(
        ([name, fact]) =>
          html`<tr><th scope="row"><code>${name}</code></th><td data-label="Value">${valueText(fact.value)}</td><td data-label="Vouched for by">${voucher(fact, scene)}${
            fact.evidence !== null && html`<br><span class="quiet small">evidence <code>${fact.evidence}</code></span>`
          }</td></tr>`,
      )}</tbody></table>`
}</section>`;
};

/** Score and tier, and what was counted at its worst. */
export const riskSection = ({
  change,
}: RequestScene): Html => html`<section aria-labelledby="risk"><h2 id="risk">Risk</h2>
<p>Score <strong>${change.risk.score}</strong>, tier <strong>${change.tier}</strong>.</p>
${change.risk.outcomes.length > 0 && html`<ul>${change.risk.outcomes.map((outcome) => html`<li>${outcomeWord(outcome)}</li>`)}</ul>`}
${
  change.risk.worst_case.length > 0 &&
  html`<p>Counted at their worst, because only the requester says what they are: ${joined(
    change.risk.worst_case.map((name) => html`<code>${name}</code>`),
    'and',
  )}.</p>`
}</section>`;

/** The gate in full, as people sign it. */
export const gateSection = ({ change, context }: RequestScene): Html => {
  const { gate } = change;
  const names = (references: readonly string[], last: string): Html =>
    joined(
      references.map((reference) => referenceName(context.people, reference)),
      last,
    );
  return html`<section aria-labelledby="gate"><h2 id="gate">The gate in full</h2>
<dl><dt>Seats</dt><dd>${gate.seats.map(
    (seat) => html`${seat.count} for <code>${seat.name}</code>, of ${referenceName(context.people, seat.group)}<br>`,
  )}<span class="quiet">each filled by another person</span></dd>
<dt>Must not share</dt><dd>${
    gate.must_not_share.length === 0
      ? html`<span class="quiet">nothing asked</span>`
      : html`${joined(
          gate.must_not_share.map((name) => html`<code>${name}</code>`),
          'or',
        )}, with each other or with whoever had a hand in it`
  }</dd>
<dt>Sign with</dt><dd>${levelWord(gate.sign_with)}</dd>
<dt>Independent surface</dt><dd>${gate.independent_surface === 0 ? html`<span class="quiet">not asked</span>` : html`at least ${gate.independent_surface} of the seats`}</dd>
<dt>Time lock</dt><dd>${
    gate.time_lock === null
      ? html`<span class="quiet">none</span>`
      : html`${durationText(gate.time_lock.wait_ms)} after the gate is met; veto by ${gate.time_lock.veto.length > 0 ? names(gate.time_lock.veto, 'or') : 'whoever may fill a seat'}`
  }</dd>
<dt>Review afterwards</dt><dd>${gate.review_percent === 0 ? html`<span class="quiet">none</span>` : gate.review_percent === 100 ? 'always' : `${gate.review_percent} in 100 uses`}</dd></dl>
${gate.raised.map((code) => html`<p>${raisedWord(code)}</p>`)}</section>`;
};
