// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { routes } from '../../src/contract/routes.ts';
import { renderDocs } from '../../src/server/page-docs.ts';

test('the page of the HTTP interface names every route once, who opens it, and the fields of its body', () => {
  const page = renderDocs({ nonce: 'abc', version: '1.2.3' });
  for (const { method, path } of Object.values(routes))
    assert.equal(page.split(`<code>${method} ${path}</code>`).length - 1, 1, `${method} ${path}`);
  assert.match(
    page,
    /POST \/v1\/requests<\/code>[\s\S]*?<code>envelope<\/code>, <code>reason\?<\/code>[\s\S]*?the signature in its body/,
  );
  assert.match(page, /Countersign 1\.2\.3/);
  assert.doesNotMatch(page, /<script| style="/);
  assert.equal(page.match(/<style nonce="abc">/g)?.length, 1);
});
