// SPDX-License-Identifier: Apache-2.0
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { extname, join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { decodeBase64 } from '../kernel/base64.ts';
import { parseJson } from '../kernel/canonical-json.ts';
import { ok, refuse, type JsonObject, type Refusal, type Result } from '../kernel/refusal.ts';
import { hash, envelope } from '../kernel/statements.ts';
import { isObject, listOf, literal, matching, nullable, shape, text } from '../kernel/shape.ts';
import { digestOf } from '../crypto/digest.ts';
import { maxFileBytes } from '../execute/permit-file.ts';
import { openEnforcementPoint, type EnforcementPoint, type PointOptions, type Use } from './enforcement-point.ts';
import { loadSite, maxArtefactBytes, readArtefact, switchSite, type Site } from './site-version.ts';

/**
 * A small real target: a static-site host that serves whatever it was last given, and takes a new version only with a
 * permit for that very artefact. It needs no connection to the server and never takes its word.
 *
 *     POST /challenge  {"permit_file":"…"}                                  → {"challenge":"…","seen":{…}|null}
 *     POST /deploy     {"permit_file":"…","artefact":"<base64>","use":{…}}  → {"permit":"…","digest":"…"}
 *     POST /refusals   {"envelope":{…},"evidence":"…"|null}                 → {"judged":true|false}
 *     GET  /…          the site; GET /.well-known/countersign says which permit it came from
 */
export type StaticSiteOptions = Omit<PointOptions, 'stateFolder'> & {
  /** Holds `point/`, what must never be forgotten, and `site/`, what is served. */
  readonly folder: string;
  /** The action whose permits let a version in. */
  readonly action: string;
  /** The target it is, such as `production/shop`; left out, any target of the action. */
  readonly target?: string | undefined;
  /** Name of the fact that holds the artefact's digest; left out, the digest is the permit's `content`. */
  readonly fact?: string | undefined;
  /** Port on loopback; 0 picks a free one. */
  readonly port?: number | undefined;
};
export type StaticSite = { readonly url: string; readonly stop: () => Promise<void> };

type Answer = { readonly status: number; readonly body: JsonObject };
type Host = { readonly options: StaticSiteOptions; readonly point: EnforcementPoint; site: Site };

/** Starts the host on 127.0.0.1; it speaks plain HTTP and so listens nowhere else. */
export const startStaticSite = async (options: StaticSiteOptions): Promise<Result<StaticSite>> => {
  const point = openEnforcementPoint({ ...options, stateFolder: join(options.folder, 'point') });
  if (!point.ok) return point;
  const site = loadSite(join(options.folder, 'site'));
  if (!site.ok) return site;
  const host: Host = { options, point: point.value, site: site.value };
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, (request, response) => {
    void handle(host, request, response);
  });
  const listening = await listen(server, options.port ?? 0);
  if (!listening.ok) return listening;
  const { port } = server.address() as AddressInfo;
  return ok({
    url: `http://127.0.0.1:${port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
};

const listen = (server: Server, port: number): Promise<Result<null>> =>
  new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      resolve(
        refuse(
          'port-in-use',
          'Y9',
          `port ${port} cannot be listened on: ${error.code ?? error.message}`,
          { port },
          'choose another port, or 0 for a free one',
        ),
      ),
    );
    server.listen(port, '127.0.0.1', () => resolve(ok(null)));
  });

const handle = async (host: Host, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  try {
    const path = new URL(request.url ?? '/', 'http://site').pathname;
    if (request.method === 'GET' || request.method === 'HEAD') return serve(host, path, request.method, response);
    const action = request.method === 'POST' ? actions[path] : undefined;
    if (action === undefined)
      return reply(response, { status: 404, body: { message: 'there is nothing to post here' } });
    const body = await readBody(request);
    const answer = body.ok ? action(host, body.value) : body;
    reply(response, answer.ok ? { status: 200, body: answer.value } : refused(answer.refusal));
  } catch {
    // Whatever was not foreseen deploys nothing.
    if (response.headersSent) response.destroy();
    else reply(response, { status: 500, body: { message: 'this failed' } });
  }
};

const malformedStatus: { readonly [code: string]: number } = {
  'json-malformed': 400,
  'json-duplicate-key': 400,
  'shape-mismatch': 400,
  'base64-malformed': 400,
  'body-too-large': 413,
  'store-io': 503,
  'store-full': 503,
  'challenges-exhausted': 503,
  'permit-used': 409,
};

const refused = ({ code, rule, message, facts, help }: Refusal): Answer => ({
  status: malformedStatus[code] ?? 403,
  body: { code, rule, message, facts, help: help ?? null },
});

const reply = (response: ServerResponse, { status, body }: Answer): void => {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', connection: 'close' });
  response.end(`${JSON.stringify(body)}\n`);
};

const maxBodyBytes = 2 * maxFileBytes + 2 * maxArtefactBytes;

const readBody = async (request: IncomingMessage): Promise<Result<JsonObject>> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBodyBytes)
      return refuse('body-too-large', 'Y1', `the body has more than ${maxBodyBytes} bytes`, { limit: maxBodyBytes });
    chunks.push(chunk);
  }
  const parsed = parseJson(Buffer.concat(chunks), { maxBytes: maxBodyBytes });
  if (!parsed.ok) return parsed;
  return isObject(parsed.value)
    ? ok(parsed.value)
    : refuse('shape-mismatch', 'K5', 'the body must be a JSON object', {}, 'send the fields that are asked for');
};

const fileText = text(maxFileBytes);
const proofText = text(16_384);
const challengeBody = shape({ permit_file: fileText });
const onlineUse = shape({
  kind: literal('online'),
  entry: text(61_440),
  proof: proofText,
  consistency: listOf(hash, 64),
});
const offlineUse = shape({ kind: literal('offline'), envelope });
const deployBody = shape({
  permit_file: fileText,
  artefact: matching(/^[A-Za-z0-9+/=]*$/, 'base64'),
  use: (value, path): Result<Use> =>
    isObject(value) && value['kind'] === 'offline' ? offlineUse(value, path) : onlineUse(value, path),
});
const refusalBody = shape({ envelope, evidence: nullable(fileText) });

const wantedOf = ({ action, target }: StaticSiteOptions) => (target === undefined ? { action } : { action, target });

/** A permit may start being used here; which artefact comes is judged when it comes. */
const drawChallenge = ({ point, options }: Host, body: JsonObject): Result<JsonObject> => {
  const checked = challengeBody(body, '');
  if (!checked.ok) return checked;
  const drawn = point.challenge(checked.value.permit_file, wantedOf(options));
  return drawn.ok ? ok({ challenge: drawn.value.challenge, seen: drawn.value.seen }) : drawn;
};

const deploy = (host: Host, body: JsonObject): Result<JsonObject> => {
  const checked = deployBody(body, '');
  if (!checked.ok) return checked;
  const { permit_file, artefact, use } = checked.value;
  const bytes = decodeBase64(artefact);
  if (!bytes.ok) return bytes;
  // Read whole before the permit is used up for it.
  const files = readArtefact(bytes.value);
  if (!files.ok) return files;
  const { options, point } = host;
  const digest = digestOf(bytes.value);
  const bound = options.fact === undefined ? { content: digest } : { facts: { [options.fact]: digest } };
  const admitted = point.admit(permit_file, use, { ...wantedOf(options), ...bound });
  if (!admitted.ok) return admitted;
  const { permit } = admitted.value;
  host.site = switchSite(join(options.folder, 'site'), permit.permit, bytes.value, files.value);
  return ok({ permit: permit.permit, digest });
};

const takeRefusal = ({ point }: Host, body: JsonObject): Result<JsonObject> => {
  const checked = refusalBody(body, '');
  if (!checked.ok) return checked;
  return point.refuse(checked.value.envelope, checked.value.evidence ?? undefined);
};

const actions: { readonly [path: string]: ((host: Host, body: JsonObject) => Result<JsonObject>) | undefined } = {
  '/challenge': drawChallenge,
  '/deploy': deploy,
  '/refusals': takeRefusal,
};

const types: { readonly [extension: string]: string } = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.txt': 'text/plain; charset=utf-8',
};

// Files are looked up by name among those of the version, never on the disk: no path leads out of it.
const serve = ({ site }: Host, path: string, method: string, response: ServerResponse): void => {
  if (path === '/.well-known/countersign')
    return reply(response, { status: 200, body: { permit: site.permit, digest: site.digest } });
  const name = decoded(path).slice(1);
  const wanted = name === '' || name.endsWith('/') ? `${name}index.html` : name;
  const content = site.files.get(wanted);
  if (content === undefined) return reply(response, { status: 404, body: { message: 'there is no such page' } });
  response.writeHead(200, {
    'content-type': types[extname(wanted)] ?? 'application/octet-stream',
    'content-length': content.length,
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-cache',
  });
  response.end(method === 'HEAD' ? undefined : content);
};

const decoded = (path: string): string => {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
};

// Not awaited: the command line imports this file and waits for it.
if (import.meta.main) void import('./static-site-main.ts');
