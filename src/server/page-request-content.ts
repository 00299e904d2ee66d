// SPDX-License-Identifier: Apache-2.0
import { contentLines, type DocumentLine } from '../client/change-lines.ts';
import { digestOf } from '../crypto/digest.ts';
import { html, type Html } from './page-html.ts';

/** The document behind the digest of `content`, as far as a page can show it. */
export type ShownContent =
  /** The change names none: everything is in its own bytes. */
  | { readonly kind: 'none' }
  | { readonly kind: 'whole'; readonly lines: readonly DocumentLine[] }
  | { readonly kind: 'hidden'; readonly why: string };

// More than that nobody reads on a page, and many would ask for it at once.
const maxBytes = 256 * 1024;
const maxLines = 5000;

const hidden = (why: string): ShownContent => ({ kind: 'hidden', why });

/** Reads it whole or not at all: what somebody signs is never shown in part. */
export const readContent = (digest: string | null, bytes: Uint8Array | undefined): ShownContent => {
  if (digest === null) return { kind: 'none' };
  if (bytes === undefined) return hidden('this server does not hold it');
  if (bytes.length > maxBytes) return hidden(`its ${bytes.length} bytes are more than a page shows`);
  if (digestOf(bytes) !== digest) return hidden('what this server holds does not give its digest');
  const lines = contentLines(digest, bytes);
  if (!lines.ok) return hidden('it is no text');
  if (lines.value.length > maxLines) return hidden(`its ${lines.value.length} lines are more than a page shows`);
  return { kind: 'whole', lines: lines.value };
};

/** What the digest stands for: the command, the file or the rules that somebody is asked to sign for. */
export const contentBlock = (content: ShownContent): Html | false => {
  if (content.kind === 'none') return false;
  if (content.kind === 'hidden')
    return html`<div class="note caution"><strong>The content is not shown here</strong>
<p>You cannot see it here: ${content.why}. Use <code>countersign approve</code>, which shows every value of it and signs nothing that it cannot show.</p></div>`;
  return html`<h3 id="content">Content</h3>
<pre class="content" tabindex="0" aria-labelledby="content">${content.lines.map(
    ({ path, value }) => html`<span class="line"><span class="quiet">${path}</span>  ${value}\n</span>`,
  )}</pre>
${
  content.lines.some(({ strange }) => strange) &&
  html`<p class="small">Characters that would not show, or are drawn like others, are written as <code>\\u{…}</code>; a backslash of the content itself is doubled.</p>`
}`;
};
