// SPDX-License-Identifier: Apache-2.0
import { html, type Html } from './page-html.ts';
import type { RequestScene } from './page-request.ts';

/** One word of a POSIX shell, in single quotes unless it is plain. */
export const shellWord = (text: string): string =>
  /^[A-Za-z0-9_/:.,@%+=~-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

const keyFile = '~/.ssh/id_ed25519';

/** `countersign approve …`: the way that trusts nothing on this page. */
export const approveCommand = (verb: 'approve' | 'reject', request: string, server: string, pin: string): string =>
  `countersign ${verb} ${request} --key ${keyFile} --server ${shellWord(server)} --pin ${pin}`;

/**
 * Writes the statement's exact bytes, without a line break, and signs them with stock OpenSSH. Null when a character
 * of it would not show or not survive a shell; nobody shall sign what a page cannot print.
 */
export const opensshCommand = (statement: string, namespace: string): string | null =>
  /^[ -~]+$/.test(statement) && /^[a-z0-9@-]+$/.test(namespace)
    ? `printf '%s' ${shellWord(statement)} > vote.json && ssh-keygen -Y sign -n ${namespace} -f ${keyFile} vote.json`
    : null;

const sendCommand = (request: string, server: string, pin: string): string =>
  `countersign vote-send ${request} --statement vote.json --signature vote.json.sig --server ${shellWord(server)} --pin ${pin}`;

/** How to decide, from the way that depends on nobody to the one that trusts this page. */
export const signSection = ({ view, context }: RequestScene): Html | false => {
  if (view.status !== 'pending' && view.status !== 'met') return false;
  const { serverUrl, pin, statement, namespace } = context;
  const command = (text: string): Html => html`<pre class="command" tabindex="0"><code>${text}</code></pre>`;
  const openssh = (text: string, what: string): Html => {
    const line = opensshCommand(text, namespace);
    return line === null
      ? html`<p>The statement to ${what} cannot be printed whole here. Use <code>countersign ${what}</code>.</p>`
      : command(line);
  };
  const own = html`<h3>Independently of this page</h3>
<p>It fetches the case, checks it from your own pin and your last checkpoint, shows every field, recomputes the digest, and refuses to sign what differs. Your private key stays with you.</p>
${command(approveCommand('approve', view.request, serverUrl, pin))}
<p>To say no:</p>${command(approveCommand('reject', view.request, serverUrl, pin))}`;
  if (statement === null)
    return html`<section aria-labelledby="sign"><h2 id="sign">How to sign</h2>
<p>${view.can_decide?.may === true ? 'Sign in as a person to see the exact statement you would sign.' : 'Whoever may decide signs like this.'}</p>${own}</section>`;
  return html`<section aria-labelledby="sign"><h2 id="sign">How to sign</h2>${own}
<h3>With stock OpenSSH</h3>
<div class="note caution"><strong>This page can deceive you</strong><p>Whoever operates this server decides what you read here, and could show one change and have you sign another.
Before you sign this way, compare the six words and the digest on a second surface: another person’s <code>countersign show</code>, or the requester on the telephone.
The ledger cannot tell a vote made this way from an independent one: that care is yours.</p></div>
${openssh(statement.approve, 'approve')}
<p>Then send it:</p>${command(sendCommand(view.request, serverUrl, pin))}
<details><summary>Reject instead</summary>
<p>These are the exact bytes of the rejection:</p><pre class="bytes" tabindex="0">${statement.reject}</pre>${openssh(statement.reject, 'reject')}
<p>Send it with the same command.</p></details></section>`;
};
