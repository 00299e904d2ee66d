// SPDX-License-Identifier: Apache-2.0
import type { z } from 'zod';
import * as api from './api.ts';

/**
 * Who may call: anybody; whoever holds a token or session that may read; whoever's key signed the envelope; or, for
 * pages, a reader, while others are sent to sign in.
 */
export type Access = 'public' | 'reader' | 'signed' | 'page';
export type Route = {
  readonly method: 'GET' | 'POST';
  /** Path with `{name}` parts, as OpenAPI writes it. */
  readonly path: string;
  /** The part, the last of the path, that may hold slashes. */
  readonly rest?: string;
  readonly summary: string;
  readonly access: Access;
  readonly query?: readonly string[];
  readonly body?: z.ZodType;
  /** The body is a form that a page of ours sent, instead of JSON. */
  readonly form?: boolean;
  /** Undefined where the answer is not JSON; `text` says what it is then. */
  readonly answer?: z.ZodType;
  readonly text?: string;
  readonly status: number;
};

const get = (
  path: string,
  summary: string,
  access: Access,
  answer: z.ZodType,
  query: readonly string[] = [],
): Route => ({
  method: 'GET',
  path,
  summary,
  access,
  query,
  answer,
  status: 200,
});
const getText = (
  path: string,
  summary: string,
  access: Access,
  text: string,
  query: readonly string[] = [],
): Route => ({
  method: 'GET',
  path,
  summary,
  access,
  query,
  text,
  status: 200,
});
const postForm = (path: string, summary: string): Route => ({
  method: 'POST',
  path,
  summary,
  access: 'public',
  form: true,
  text: 'text/html',
  status: 303,
});
const post = (
  path: string,
  summary: string,
  access: Access,
  body: z.ZodType,
  answer: z.ZodType,
  status = 200,
): Route => ({
  method: 'POST',
  path,
  summary,
  access,
  body,
  answer,
  status,
});

/** Every way into the server; a test compares it with what is mounted and with OpenAPI (C7). */
export const routes = {
  challenge: get('/v1/challenge', 'A number to sign for a session', 'public', api.challenge),
  openSession: post(
    '/v1/sessions',
    'Open a session for reading, with a signed login statement',
    'signed',
    api.openSession,
    api.session,
    201,
  ),
  ledgerInfo: get('/v1/ledger', 'Which ledger this is and how far it has come', 'public', api.ledgerInfo),
  roster: get('/v1/roster', 'The sealed roster in force', 'reader', api.rosterView),
  policy: get('/v1/policy', 'The compiled policy in force', 'reader', api.policyView),
  submitRequest: post('/v1/requests', 'Ask for an action', 'signed', api.submitRequest, api.submitted, 201),
  listRequests: get('/v1/requests', 'Requests, newest first', 'reader', api.requestPage, [
    'state',
    'action',
    'cursor',
    'limit',
  ]),
  showRequest: get('/v1/requests/{id}', 'One request and why it stands where it stands', 'reader', api.requestView),
  statement: get('/v1/requests/{id}/statement', 'The exact bytes of a vote, to sign', 'reader', api.statementAnswer, [
    'decision',
    'person',
  ]),
  caseFile: get('/v1/requests/{id}/case', 'All that a voter needs to see for themself', 'reader', api.caseFile),
  evidence: getText(
    '/v1/requests/{id}/evidence',
    'Evidence bundle: the permit and what became of it',
    'reader',
    'application/json',
  ),
  vote: post('/v1/requests/{id}/votes', 'Approve or reject', 'signed', api.castVote, api.accepted, 201),
  withdraw: post('/v1/requests/{id}/withdraw', 'Withdraw what one asked for', 'signed', api.stopRequest, api.accepted),
  veto: post('/v1/requests/{id}/veto', 'Stop it', 'signed', api.stopRequest, api.accepted),
  review: post('/v1/requests/{id}/review', 'Close the review it left', 'signed', api.closeReview, api.accepted),
  permit: post(
    '/v1/requests/{id}/permit',
    'Its permit, once the gate is met and the lock is over',
    'reader',
    api.nothing,
    api.permitAnswer,
  ),
  activate: post(
    '/v1/requests/{id}/activate',
    'Apply an approved change of roster or policy',
    'reader',
    api.nothing,
    api.accepted,
  ),
  consume: post('/v1/permits/{id}/consume', 'Use a permit', 'signed', api.signedOnly, api.accepted),
  result: post(
    '/v1/executions/{id}/result',
    "Say what came of it; the id is the permit's",
    'signed',
    api.signedOnly,
    api.accepted,
  ),
  entry: get('/v1/ledger/entries/{index}', 'One entry with its proof', 'reader', api.entryAnswer),
  entries: get('/v1/ledger/entries', 'Entries from an index on', 'reader', api.entriesPage, ['from', 'limit']),
  consistency: get(
    '/v1/ledger/consistency',
    'Proof that the ledger holds an older one unchanged',
    'public',
    api.consistencyAnswer,
    ['from', 'to'],
  ),
  blob: getText('/v1/ledger/blobs/{digest}', 'A document that an entry names', 'reader', 'application/octet-stream'),
  bundle: {
    ...getText(
      '/ledger/tile/entries/{tile}',
      '256 entries, or fewer at the end, as c2sp.org/tlog-tiles has them',
      'reader',
      'application/octet-stream',
    ),
    rest: 'tile',
  },
  tile: {
    ...getText(
      '/ledger/tile/{level}/{tile}',
      '256 hashes of the tree, or fewer at the end, as c2sp.org/tlog-tiles has them',
      'public',
      'application/octet-stream',
    ),
    rest: 'tile',
  },
  checkpoint: getText('/ledger/checkpoint', 'The newest signed checkpoint', 'public', 'text/plain'),
  inbox: getText('/', 'Requests that wait, to read', 'page', 'text/html'),
  page: getText('/requests/{id}', 'One request, to read and to sign', 'page', 'text/html'),
  signInPage: getText('/sign-in', 'Where a browser shows its token or session', 'public', 'text/html', ['next']),
  signIn: postForm('/sign-in', 'Start a session of a browser, as a cookie'),
  signOut: postForm('/sign-out', 'End it'),
  openapi: getText('/openapi.json', 'This interface, in OpenAPI 3.1', 'public', 'application/json'),
  docs: getText('/docs', 'This interface, to read', 'public', 'text/html'),
  metrics: getText('/metrics', 'Figures for Prometheus', 'reader', 'text/plain'),
  live: getText('/livez', 'Whether the process runs', 'public', 'text/plain'),
  ready: getText('/readyz', 'Whether it takes commands', 'public', 'text/plain'),
  version: get('/version', 'Name and version', 'public', api.versionAnswer),
} as const satisfies { readonly [name: string]: Route };
export type RouteName = keyof typeof routes;
