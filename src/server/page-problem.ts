// SPDX-License-Identifier: Apache-2.0
import type { Problem } from '../contract/api.ts';
import { barePage } from './page-frame.ts';
import { clipped } from './page-escape.ts';
import { html } from './page-html.ts';

const headings: { readonly [status: number]: string } = {
  400: 'This cannot be read',
  401: 'Sign in first',
  403: 'The rules do not allow this',
  404: 'There is no such thing here',
  409: 'This is not possible now',
  503: 'Not available now',
};

/** A refusal, for people: what, why, and what to do. */
export const renderProblemPage = (problem: Problem, { nonce }: { readonly nonce: string }): string => {
  const heading = headings[problem.status] ?? 'This was refused';
  return barePage({
    title: heading,
    nonce,
    body: html`<h1>${heading}</h1>
<p class="lead">${clipped(problem.detail, 600)}</p>
${problem.help !== undefined && html`<p><strong>What to do:</strong> ${clipped(problem.help, 600)}</p>`}
<p class="quiet small">Code <code>${problem.code}</code>, rule ${problem.rule}.</p>
<p><a href="/">Back to the requests</a>${problem.status === 401 && html` · <a href="/sign-in">Sign in</a>`}</p>`,
  });
};
