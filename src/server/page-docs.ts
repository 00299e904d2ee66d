// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import { routes, type Access, type Route } from '../contract/routes.ts';
import { barePage } from './page-frame.ts';
import { html, type Html } from './page-html.ts';

const opens: { readonly [access in Access]: string } = {
  public: 'anybody',
  reader: 'a read token or a session',
  signed: 'the signature in its body',
  page: 'a session of the browser',
};

const groups: readonly (readonly [id: string, title: string, paths: RegExp])[] = [
  ['requests', 'Requests, votes and permits', /^\/v1\/(requests|permits|executions)/],
  ['ledger', 'The ledger, and who and what is in it', /^\/(v1\/(ledger|roster|policy)|ledger\/)/],
  ['sessions', 'Sessions', /^\/v1\/(challenge|sessions)/],
  ['pages', 'Pages', /^\/($|requests\/|sign-)/],
  ['server', 'The server itself', /^/],
];

/** The HTTP interface to read, made from the same routes as the server and OpenAPI, so that it cannot differ. */
export const renderDocs = ({ nonce, version }: { readonly nonce: string; readonly version: string }): string => {
  let rest: readonly Route[] = Object.values(routes);
  const sections = groups.map(([id, title, paths]) => {
    const here = rest.filter(({ path }) => paths.test(path));
    rest = rest.filter(({ path }) => !paths.test(path));
    return here.length > 0 && section(id, title, here);
  });
  return barePage({
    title: 'HTTP interface',
    nonce,
    body: html`<h1>HTTP interface</h1>
<p class="lead">Countersign ${version}. Fields are described in full in <a href="/openapi.json">openapi.json</a> (OpenAPI 3.1).</p>
<ul><li>What somebody signs travels as an envelope: the exact text, and the SSHSIG signature over it. No token stands in for a signature.</li>
<li>A token or session is sent as <code>Authorization: Bearer …</code>. It lets one read and nothing else.</li>
<li>An <code>Idempotency-Key</code> header on a POST makes it safe to send again: the first answer comes back.</li>
<li>A refusal is a problem (RFC 9457) with a stable <code>code</code>, the number of its rule, and help.</li></ul>
${sections}`,
  });
};

const section = (
  id: string,
  title: string,
  here: readonly Route[],
): Html => html`<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>
<table><thead><tr><th scope="col">Address</th><th scope="col">What it is</th><th scope="col">Opened by</th></tr></thead>
<tbody>${here.map(
  (route) => html`<tr><th scope="row"><code>${route.method} ${route.path}</code></th>
<td data-label="What it is">${route.summary}${details(route)}</td><td data-label="Opened by">${opens[route.access]}</td></tr>`,
)}</tbody></table></section>`;

const details = ({ query = [], body }: Route): Html => {
  const fields = body === undefined ? [] : fieldsOf(body);
  return html`${query.length > 0 && html`<br><span class="quiet small">query: ${codes(query)}</span>`}${fields.length > 0 && html`<br><span class="quiet small">body: ${codes(fields)}</span>`}`;
};

const codes = (names: readonly string[]): Html =>
  html`${names.map((name, at) => html`${at > 0 && ', '}<code>${name}</code>`)}`;

const fieldsOf = (body: z.ZodType): readonly string[] => {
  const { properties = {}, required = [] } = z.toJSONSchema(body, { unrepresentable: 'any' });
  return Object.keys(properties).map((name) => (required.includes(name) ? name : `${name}?`));
};
