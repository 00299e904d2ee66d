// SPDX-License-Identifier: Apache-2.0
import { barePage } from './page-frame.ts';
import { html } from './page-html.ts';
import { loginCommand, type CommandPlace } from './page-request-sign.ts';

export type SignIn = CommandPlace & {
  readonly nonce: string;
  /** What was wrong with the last try, in a sentence. */
  readonly error?: string;
  /** Where to go afterwards; anything but a page of this server is left out. */
  readonly next?: string;
};

const ownPage = /^\/(requests\/req_[a-z0-9]{26})?$/;

/** Where a sign-in may lead: to the list or to a request of this server, so that a link cannot lead people elsewhere. */
export const pageAfterSignIn = (next: string | undefined): string =>
  next !== undefined && ownPage.test(next) ? next : '/';

/** Asks for a session token made by one's own key. It lets one read and nothing else. */
export const renderSignIn = ({ nonce, error, next, ...at }: SignIn): string =>
  barePage({
    title: 'Sign in',
    nonce,
    body: html`<h1>Sign in to read</h1>
<p class="lead">Make a session with your own key, then paste its token here:</p>
<pre class="command" tabindex="0"><code>${loginCommand(at)}</code></pre>
<p class="quiet small">Name your own key file, or <code>--key agent</code>. Compare the pin with the one you were given${at.trial && '; this is a trial ledger, which one person started alone'}.</p>
${error !== undefined && html`<div class="note danger" role="alert"><strong>Not signed in</strong><p>${error}</p></div>`}
<form method="post" action="/sign-in" autocomplete="off">
<input type="hidden" name="next" value="${pageAfterSignIn(next)}">
<label for="token">Session token</label>
<input id="token" name="token" type="password" required maxlength="200" spellcheck="false" autocapitalize="off" autocomplete="off" aria-describedby="token-help">
<p class="quiet small" id="token-help">It begins with <code>css_</code>; a read token, <code>cst_</code>, works as well. It lets you read for an hour. Nobody can approve anything with it: a decision needs your key each time.</p>
<button type="submit">Sign in</button>
</form>`,
  });
