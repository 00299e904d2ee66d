// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http';
import type { BlockList } from 'node:net';
import { refuseQuarantined } from '../app/quarantine.ts';
import { routes, type Route, type RouteName } from '../contract/routes.ts';
import { sha256Hex } from '../crypto/digest.ts';
import { ok, refuse, type Refusal, type Refused, type Result } from '../kernel/refusal.ts';
import { StoreFailure } from '../ledger/store.ts';
import { findReader, secretIn, type Reader } from './access.ts';
import { addressOf, checkBrowser, type InFlight } from './guard.ts';
import { handlers } from './handlers.ts';
import { problemPage, toSignIn } from './html-routes.ts';
import { lookFirst, mayBeBehind, refuseBehind } from './look-first.ts';
import { bodyLimit, checkContentType, parseBody, type LargeBodies } from './read-body.ts';
import { problemReply, type Reply } from './reply.ts';
import type { RequestLog } from './request-log.ts';
import type { Call, ServerContext } from './server-context.ts';

/** What stands around the handlers. */
export type Frontier = {
  readonly context: ServerContext;
  readonly log: RequestLog;
  readonly inFlight: InFlight;
  readonly largeBodies: LargeBodies;
  readonly trusted: BlockList;
  readonly hosts: () => ReadonlySet<string>;
};

type Params = Readonly<Record<string, string>>;

/** A refusal as the route answers: to read on a page, or as a problem. */
const refusedBy = (route: Route, refusal: Refusal): Reply =>
  route.text === 'text/html' ? problemPage(refusal) : problemReply(refusal);

// What is of use while not even the genesis can be read: how the server does, and what is stored, as it is.
const withoutGenesis: ReadonlySet<RouteName> = new Set([
  'live',
  'ready',
  'version',
  'metrics',
  'openapi',
  'docs',
  'checkpoint',
  'entries',
  'entry',
  'consistency',
  'blob',
  'tile',
  'bundle',
  'signOut',
] satisfies readonly RouteName[]);

/** A ledger that cannot be told apart from another answers for nothing (SPEC L11). */
const unread = ({ context: { sequencer } }: Frontier, name: RouteName): Refused | undefined => {
  const quarantine = sequencer.quarantine();
  return quarantine === undefined || sequencer.state().identity !== null || withoutGenesis.has(name)
    ? undefined
    : refuseQuarantined(quarantine);
};

/** One request, from its headers to its answer. It never throws; what breaks inside is logged, not told (SPEC H4). */
export const serveCall = async (
  frontier: Frontier,
  name: RouteName,
  incoming: IncomingMessage,
  params: Params,
  requestId: string,
): Promise<Reply> => {
  const route: Route = routes[name];
  const address = addressOf(incoming, frontier.trusted);
  const busy = frontier.inFlight.enter(address);
  if (busy !== undefined) return refusedBy(route, busy.refusal);
  try {
    const known = await lookFirst(frontier.context, name);
    const call = await readCall(frontier, name, route, incoming, params);
    if (!call.ok) {
      if (route.access === 'page' && call.refusal.code === 'sign-in-needed') return toSignIn(pathOf(incoming));
      return refusedBy(route, call.refusal);
    }
    const damaged = unread(frontier, name);
    if (damaged !== undefined) return refusedBy(route, damaged.refusal);
    const reply = await handlers[name](frontier.context, call.value);
    return known || !mayBeBehind(reply) ? reply : refusedBy(route, refuseBehind().refusal);
  } catch (error) {
    if (error instanceof StoreFailure) return refusedBy(route, error.refusal);
    frontier.log.event('error', 'handler-failed', {
      id: requestId,
      route: route.path,
      name: error instanceof Error ? error.name : 'unknown',
      stack: error instanceof Error ? (error.stack ?? '').split('\n').slice(1, 8).join('\n') : '',
    });
    return refusedBy(route, serverFailed(requestId).refusal);
  } finally {
    frontier.inFlight.leave(address);
  }
};

const serverFailed = (requestId: string): Refused =>
  refuse(
    'server-failed',
    'H4',
    `the server failed at request \`${requestId}\``,
    { request_id: requestId },
    'try again; if it stays so, give this id to whoever runs the server',
  );

const pathOf = (incoming: IncomingMessage): string => (incoming.url ?? '/').split('?', 1)[0] ?? '/';

const readCall = async (
  { context, hosts, largeBodies }: Frontier,
  name: RouteName,
  route: Route,
  incoming: IncomingMessage,
  params: Params,
): Promise<Result<Call>> => {
  const { headers } = incoming;
  const carried = secretIn(headers, context.secure);
  const foreign = checkBrowser(incoming, hosts(), context.publicUrl(), carried?.byCookie === true);
  if (foreign !== undefined) return foreign;
  const reader = await readerOf(context, route, incoming);
  if (!reader.ok) return reader;
  const query = readQuery(route, incoming);
  if (!query.ok) return query;
  const key = idempotencyKeyOf(incoming);
  if (!key.ok) return key;
  const body = await bodyOf(name, route, incoming, largeBodies);
  if (!body.ok) return body;
  const { value, bytes } = body.value;
  return ok({
    route: name,
    params,
    query: query.value,
    reader: reader.value,
    secret: carried?.byCookie === true ? carried.secret : null,
    body: value,
    bodyDigest: key.value === null ? '' : sha256Hex(Buffer.concat([Buffer.from(`${pathOf(incoming)}\n`), bytes])),
    idempotencyKey: key.value,
    ifNoneMatch: headers['if-none-match'] ?? null,
    takesGzip: /(?:^|,)\s*(?:x-)?gzip\s*(?!;\s*q=0(?:\.0*)?\s*(?:,|$))(?:;|,|$)/i.test(
      headers['accept-encoding'] ?? '',
    ),
  });
};

// Where nobody has to be known, a token that is wrong is as good as none.
const readerOf = async (
  context: ServerContext,
  { access }: Route,
  incoming: IncomingMessage,
): Promise<Result<Reader | null>> => {
  if (access === 'signed') return ok(null);
  const { tokens, sessions, sequencer, secure } = context;
  if (access === 'public' && incoming.headers.authorization === undefined && incoming.headers.cookie === undefined)
    return ok(null);
  const reader = await findReader(incoming.headers, secure, tokens, sessions, () => sequencer.state());
  return !reader.ok && access === 'public' ? ok(null) : reader;
};

const readQuery = ({ query: known = [] }: Route, incoming: IncomingMessage): Result<Call['query']> => {
  const url = incoming.url ?? '/';
  const at = url.indexOf('?');
  if (at < 0) return ok({});
  const query: { [name: string]: string } = {};
  for (const [name, value] of new URLSearchParams(url.slice(at + 1))) {
    if (!known.includes(name) || Object.hasOwn(query, name))
      return refuse(
        'shape-mismatch',
        'K5',
        `query \`${name.slice(0, 60)}\` is unknown here, or stands twice`,
        { field: name.slice(0, 60) },
        known.length === 0 ? 'this address takes no query' : `known are ${known.join(', ')}`,
      );
    query[name] = value;
  }
  return ok(query);
};

const idempotencyKeyOf = ({ headers }: IncomingMessage): Result<string | null> => {
  const key = headers['idempotency-key'];
  if (key === undefined) return ok(null);
  if (typeof key === 'string' && /^[!-~]{1,200}$/.test(key)) return ok(key);
  return refuse(
    'shape-mismatch',
    'H3',
    'the header `Idempotency-Key` must be 1 to 200 visible characters',
    { field: 'Idempotency-Key' },
    'take a random one, such as a UUID',
  );
};

type Body = { readonly value: unknown; readonly bytes: Buffer };
const none: Body = { value: null, bytes: Buffer.alloc(0) };
const formMax = 4096;

const bodyOf = async (
  name: RouteName,
  route: Route,
  incoming: IncomingMessage,
  largeBodies: LargeBodies,
): Promise<Result<Body>> => {
  if (route.body === undefined && route.form !== true) return ok(none);
  const declared = checkContentType(incoming, route.form === true);
  if (declared !== undefined) return declared;
  const limit = route.form === true ? formMax : bodyLimit(name);
  const bytes = await largeBodies.read(incoming, limit);
  if (!bytes.ok) return bytes;
  if (route.body === undefined)
    return ok({ value: Object.fromEntries(new URLSearchParams(bytes.value.toString('utf8'))), bytes: bytes.value });
  const value = parseBody(bytes.value, route.body, limit);
  return value.ok ? ok({ value: value.value, bytes: bytes.value }) : value;
};
