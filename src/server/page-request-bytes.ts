// SPDX-License-Identifier: Apache-2.0
import { showsWhole } from './page-escape.ts';
import { html, type Html } from './page-html.ts';
import type { RequestScene } from './page-request.ts';

/** The change document as it is, its digest, and the words to compare over another channel. */
export const bytesSection = ({
  view,
  context,
}: RequestScene): Html => html`<section aria-labelledby="bytes"><h2 id="bytes">The exact bytes</h2>
<p>Everybody who decides signs the digest of this change. Compare the six words with what <code>countersign approve</code>, or a colleague on another channel, shows.</p>
<p class="words"><span class="mono">${view.words.join(' ')}</span></p>
<dl><dt>Change digest</dt><dd><code>${view.change}</code></dd></dl>
<h3 id="change-bytes">Change document</h3>
<pre class="bytes" tabindex="0" aria-labelledby="change-bytes">${view.change_text}</pre>
${
  !showsWhole(view.change_text) &&
  html`<p>Framed <code>\\u</code> escapes stand for characters that would not show; all else is as it is signed.</p>`
}
${
  context.statement !== null &&
  view.status === 'pending' &&
  html`<h3 id="vote-bytes">Your vote, if you approve</h3>
<pre class="bytes" tabindex="0" aria-labelledby="vote-bytes">${context.statement.approve}</pre>`
}</section>`;
