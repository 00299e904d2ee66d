// SPDX-License-Identifier: Apache-2.0
import { ledgerFlag } from '../client/to-paste.ts';
import type { RequestView } from '../contract/api.ts';
import { html, type Html } from './page-html.ts';
import type { RequestPageContext, RequestScene } from './page-request.ts';

/** One word of a POSIX shell, in single quotes unless it is plain. */
export const shellWord = (text: string): string =>
  /^[A-Za-z0-9_/:.,@%+=~-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

const keyFile = '~/.ssh/id_ed25519';

/** Where a command goes, and the flag without which it refuses this kind of ledger. */
export type CommandPlace = { readonly serverUrl: string; readonly pin: string; readonly trial: boolean };

const place = ({ serverUrl, pin }: CommandPlace): string => `--server ${shellWord(serverUrl)} --pin ${pin}`;

/** `countersign approve …`: the way that trusts nothing on this page. */
export const approveCommand = (verb: 'approve' | 'reject', request: string, at: CommandPlace): string =>
  `countersign ${verb} ${request} --key ${keyFile} ${place(at)} ${ledgerFlag(at.trial)}`;

/** `countersign login …`, as a browser's sign-in needs it: it derives nothing, so that only a trial needs a flag. */
export const loginCommand = (at: CommandPlace): string =>
  `countersign login --print-token --key ${keyFile} ${place(at)}${talkFlag(at)}`;

const talkFlag = ({ trial }: CommandPlace): string => (trial ? ` ${ledgerFlag(trial)}` : '');

/**
 * Writes the statement's exact bytes, without a line break, and signs them with stock OpenSSH. Null when a character
 * of it would not show or not survive a shell; nobody shall sign what a page cannot print.
 */
export const opensshCommand = (statement: string, namespace: string): string | null =>
  /^[ -~]+$/.test(statement) && /^[a-z0-9@-]+$/.test(namespace)
    ? `printf '%s' ${shellWord(statement)} > vote.json && ssh-keygen -Y sign -n ${namespace} -f ${keyFile} vote.json`
    : null;

const sendCommand = (request: string, at: CommandPlace): string =>
  `countersign vote-send ${request} --statement vote.json --signature vote.json.sig ${place(at)}${talkFlag(at)}`;

const command = (text: string): Html => html`<pre class="command" tabindex="0"><code>${text}</code></pre>`;

/** How to decide, from the way that depends on nobody to the one that trusts this page. */
export const signSection = ({ view, context }: RequestScene): Html | false => {
  const met = view.status === 'met';
  if (view.status !== 'pending' && !met) return false;
  // Whoever cannot decide, or has, finds nothing here to do; nor does anybody once the gate is met, except to say no.
  if (view.can_decide?.may === false || (met && view.can_decide === null)) return false;
  const own = html`<h3>Independently of this page</h3>
<p>It fetches the case, checks it from your own pin and your last checkpoint, shows every field, recomputes the digest, and refuses to sign what differs. Your private key stays with you.</p>
${met ? html`<p>Every seat is filled. You can still say no:</p>` : html`${command(approveCommand('approve', view.request, context))}<p>To say no:</p>`}
${command(approveCommand('reject', view.request, context))}`;
  return html`<section aria-labelledby="sign"><h2 id="sign">How to sign</h2>
${view.can_decide === null && html`<p>Whoever may decide signs like this. Sign in with your own key to see the exact statement you would sign.</p>`}
${own}${opensshWay(view, context)}</section>`;
};

const opensshWay = (view: RequestView, context: RequestPageContext): Html | false => {
  const { statement, namespace } = context;
  if (statement === null) return false;
  const openssh = (text: string, what: string): Html => {
    const line = opensshCommand(text, namespace);
    return line === null
      ? html`<p>The statement to ${what} cannot be printed whole here. Use <code>countersign ${what}</code>.</p>`
      : command(line);
  };
  const send = command(sendCommand(view.request, context));
  const reject = html`<p>These are the exact bytes of the rejection:</p><pre class="bytes" tabindex="0">${statement.reject}</pre>${openssh(statement.reject, 'reject')}`;
  return html`<h3>With stock OpenSSH</h3>
<div class="note caution"><strong>This page can deceive you</strong><p>Whoever operates this server decides what you read here, and could show one change and have you sign another.
Before you sign this way, compare the six words and the digest on a second surface: another person’s <code>countersign show</code>, or the requester on the telephone.
The ledger cannot tell a vote made this way from an independent one: that care is yours.</p></div>
${
  view.status === 'met'
    ? html`${reject}<p>Then send it:</p>${send}`
    : html`${openssh(statement.approve, 'approve')}<p>Then send it:</p>${send}
<details><summary>Reject instead</summary>${reject}<p>Send it with the same command.</p></details>`
}`;
};
