// SPDX-License-Identifier: Apache-2.0
import type { RequestPage, RequestSummary, StatementAnswer } from '../contract/api.ts';
import { canDecide } from '../approve/explain.ts';
import { fingerprintWords } from '../crypto/words.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { requestUnknown } from '../lifecycle/outcome.ts';
import type { RequestState } from '../request/request-state.ts';
import { namesIn } from './answer-names.ts';
import { json, problemReply } from './reply.ts';
import { statusOf, summaryOf, viewOf } from './request-view.ts';
import { timeOf, type Call, type Handler, type ServerContext } from './server-context.ts';
import { voteNamespace, voteText } from './vote-text.ts';

const pageDefault = 50;
const pageMax = 200;
/** How many requests one page may look through; a filter that fits few goes on in the next page. */
const lookMax = 5000;

const wrongQuery = (name: string, value: string, expected: string): Refused =>
  refuse(
    'shape-mismatch',
    'K5',
    `query \`${name}\` must be ${expected}, got \`${value.slice(0, 60)}\``,
    { field: name, expected },
    'look at `/docs`',
  );

/** A whole number out of the query, or the default. */
export const numberIn = (call: Call, name: string, fallback: number, max: number): Result<number> => {
  const given = call.query[name];
  if (given === undefined) return ok(fallback);
  const value = /^\d{1,15}$/.test(given) ? Number(given) : Number.NaN;
  return value <= max ? ok(value) : wrongQuery(name, given, `a whole number up to ${max}`);
};

const formatCursor = (index: number): string => Buffer.from(`before ${index}`).toString('base64url');
const parseCursor = (cursor: string): number | undefined => {
  const match = /^before (\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  return match === null ? undefined : Number(match[1]);
};

const statuses = [
  'pending',
  'met',
  'permitted',
  'consumed',
  'finished',
  'refused',
  'withdrawn',
  'vetoed',
  'expired',
] as const;

/** Requests newest first, by status and action; `open` stands for whatever is not over. */
export const pageOfRequests = (context: ServerContext, call: Call): Result<RequestPage> => {
  const { state: wanted, action, cursor } = call.query;
  if (wanted !== undefined && wanted !== 'open' && !(statuses as readonly string[]).includes(wanted))
    return wrongQuery('state', wanted, `one of open, ${statuses.join(', ')}`);
  const limit = numberIn(call, 'limit', pageDefault, pageMax);
  if (!limit.ok) return limit;
  const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : parseCursor(cursor);
  if (before === undefined) return wrongQuery('cursor', cursor ?? '', 'what `next` of the page before said');
  const time = timeOf(context);
  const { requests, open } = context.sequencer.state();
  const fits = (request: RequestState): boolean => {
    if (action !== undefined && request.change.action !== action) return false;
    if (wanted === undefined) return true;
    // Time only ever ends what is open, so that what is over already need not be looked at again.
    const status = open.has(request.id) ? statusOf(context, request, time) : request.status;
    return wanted === 'open' ? !isEnd(status) : status === wanted;
  };
  const items: RequestSummary[] = [];
  const pageOf = (next: string | null): Result<RequestPage> => ok({ items, next, people: namesIn(context, items) });
  let looked = 0;
  for (const { id, index } of context.order.before(before)) {
    if (items.length >= Math.max(1, limit.value) || looked >= lookMax) return pageOf(formatCursor(index + 1));
    looked += 1;
    const request = requests.get(id);
    if (request !== undefined && fits(request)) items.push(summaryOf(context, request, time));
  }
  return pageOf(null);
};

const isEnd = (status: string): boolean => ['finished', 'refused', 'withdrawn', 'vetoed', 'expired'].includes(status);

export const listRequests: Handler = (context, call) => {
  const page = pageOfRequests(context, call);
  return page.ok ? json(page.value) : problemReply(page.refusal);
};

export const requestIn = (context: ServerContext, call: Call): Result<RequestState> => {
  const id = call.params['id'] ?? '';
  const request = context.sequencer.state().requests.get(id);
  return request === undefined ? requestUnknown(id.slice(0, 80)) : ok(request);
};

export const showRequest: Handler = async (context, call) => {
  const request = requestIn(context, call);
  return request.ok ? json(await viewOf(context, request.value, call.reader)) : problemReply(request.refusal);
};

/** The bytes of a vote, for whoever signs with `ssh-keygen -Y sign`: they still have to look at what they sign. */
export const statement: Handler = (context, call) => {
  const found = requestIn(context, call);
  if (!found.ok) return problemReply(found.refusal);
  const bytes = voteToSign(context, call, found.value);
  return bytes.ok ? json(bytes.value) : problemReply(bytes.refusal);
};

const voteToSign = (context: ServerContext, call: Call, request: RequestState): Result<StatementAnswer> => {
  const { decision = 'approve' } = call.query;
  if (decision !== 'approve' && decision !== 'reject') return wrongQuery('decision', decision, '`approve` or `reject`');
  const person = (call.query['person'] ?? call.reader?.principal ?? '').replace(/^person:/, '');
  if (!/^p_[a-z0-9_]{4,40}$/.test(person)) return wrongQuery('person', person, 'a person id such as `p_7h2k9w`');
  const may = canDecide(request, context.sequencer.state().roster, person);
  if (!may.may)
    return refuse(
      'vote-not-entitled',
      'V3',
      `\`person:${person}\` may not vote on this now: ${may.why}`,
      { person, why: may.why },
      'look at the explanation of the request, or let somebody else decide',
    );
  return ok({
    statement: voteText(context, request, person, decision),
    namespace: voteNamespace,
    change: request.digest,
    words: [...fingerprintWords(request.digest)],
  });
};
