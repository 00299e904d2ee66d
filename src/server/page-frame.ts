// SPDX-License-Identifier: Apache-2.0
import type { Instant } from '../kernel/instant.ts';
import { css } from './page-style.ts';
import { html, stylesheet, type Html } from './page-html.ts';
import { principalName } from './page-names.ts';

/** What every page for somebody signed in is made from. Names are what this server calls people, for display only. */
export type PageContext = {
  /** The CSP nonce of this answer: 16 random bytes or more, base64. */
  readonly nonce: string;
  readonly now: Instant;
  /** Person id to display name. */
  readonly people: { readonly [person: string]: string };
  /** Principal who is signed in, `person:p_…` or `machine:…`; null with a read token, which is nobody in particular. */
  readonly viewer: string | null;
  readonly trial: boolean;
  /** Origin of the ledger's checkpoints, `countersign/<nonce>`. */
  readonly ledger: string;
  /** Digest of the genesis. */
  readonly pin: string;
  /** Address under which people reach this server, without a slash at the end. */
  readonly serverUrl: string;
};

/** The policy that goes with every page: no script, nothing from elsewhere, no frame, one stylesheet. */
export const contentSecurityPolicy = (nonce: string): string =>
  `default-src 'none'; style-src 'nonce-${nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`;

type Frame = { readonly title: string; readonly nonce: string; readonly body: Html };

const trialNote = html`<div class="note caution"><strong>Trial ledger</strong>
<p>One person could start it alone. Nothing on it proves separation of duties, and it never becomes a real one.</p></div>`;

/** A page that stands alone: for whoever is not signed in, and for refusals. */
export const barePage = ({ title, nonce, body }: Frame): string => document(title, nonce, body, null, null);

/** A page for somebody who may read. */
export const readerPage = (context: PageContext, title: string, body: Html): string =>
  document(
    title,
    context.nonce,
    html`${context.trial && trialNote}${body}`,
    html`${
      context.viewer === null
        ? 'Reading with a token'
        : html`Signed in to read as ${principalName(context.people, context.viewer)}`
    }
<form class="inline" method="post" action="/sign-out"><button class="plain-button">Sign out</button></form>`,
    html`<p>Ledger <code>${context.ledger}</code><br>Pin <code>${context.pin}</code></p>
<p>Names are what this server calls people; the ledger knows only their ids. Compare the pin with the one you were given.</p>`,
  );

const document = (title: string, nonce: string, body: Html, who: Html | null, foot: Html | null): string =>
  html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<title>${title} · Countersign</title>
<style nonce="${nonce}">${stylesheet(css)}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header class="bar"><div><a class="name" href="/">Countersign</a>${who && html`<span class="who">${who}</span>`}</div></header>
<main id="main">${body}</main>
<footer class="foot"><div>${foot ?? html`<p>No single person, account or machine can carry a critical action through alone.</p>`}</div></footer>
</body>
</html>
`.markup;
