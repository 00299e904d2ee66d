// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import { isRefusalCode } from '../contract/code-table.ts';
import { parseJson } from '../kernel/canonical-json.ts';
import { ok, refuse, type JsonObject, type JsonValue, type Refused, type Result } from '../kernel/refusal.ts';
import { isObject } from '../kernel/shape.ts';

export type Call = {
  readonly server: string;
  readonly method: 'GET' | 'POST';
  /** Path and query, beginning with `/`. */
  readonly path: string;
  readonly body?: JsonObject;
  readonly token?: string | undefined;
  /** Makes a POST safe to send again: the server gives its first answer again. */
  readonly idempotencyKey?: string;
  readonly timeoutMs?: number;
};

export type Answer = { readonly status: number; readonly body: Buffer };

const maxAnswerBytes = 64 * 1024 * 1024;
const defaultTimeoutMs = 30_000;
const tries = 4;

export const unreachable = (server: string, why: string): Refused =>
  refuse(
    'server-unreachable',
    'W7',
    `server \`${server}\` cannot be reached: ${why}`,
    { server },
    'look at the address (`--server`), the network and whether the server runs; nothing was assumed to be allowed',
  );

const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return 'it did not answer in time';
  const cause = error.cause as NodeJS.ErrnoException | undefined;
  return cause?.code ?? cause?.message ?? error.message;
};

/** The body of an answer, or nothing when it is longer than that. */
export const readBody = async (response: Response, mostBytes: number): Promise<Buffer | undefined> => {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > mostBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

const once = async (call: Call): Promise<Result<Answer>> => {
  const headers: { [name: string]: string } = { accept: 'application/json, text/plain' };
  if (call.token !== undefined) headers['authorization'] = `Bearer ${call.token}`;
  if (call.method === 'POST') headers['content-type'] = 'application/json';
  if (call.idempotencyKey !== undefined) headers['idempotency-key'] = call.idempotencyKey;
  try {
    const response = await fetch(call.server + call.path, {
      method: call.method,
      headers,
      // A redirect would carry the token to whoever it names.
      redirect: 'error',
      signal: AbortSignal.timeout(Math.ceil(call.timeoutMs ?? defaultTimeoutMs)),
      ...(call.method === 'POST' ? { body: JSON.stringify(call.body ?? {}) } : {}),
    });
    const body = await readBody(response, maxAnswerBytes);
    return body === undefined
      ? unreachable(call.server, `its answer is longer than ${maxAnswerBytes} bytes`)
      : ok({ status: response.status, body });
  } catch (error) {
    return unreachable(call.server, reasonOf(error));
  }
};

const mayRetry = ({ method, idempotencyKey }: Call): boolean => method === 'GET' || idempotencyKey !== undefined;
const isPassing = (answer: Result<Answer>): boolean =>
  !answer.ok ||
  answer.value.status === 502 ||
  answer.value.status === 504 ||
  (answer.value.status === 409 && answer.value.body.includes('idempotency-in-flight'));

/** Sends one call; again after a passing failure, when that cannot do anything twice. */
const send = async (call: Call): Promise<Result<Answer>> => {
  const limitMs = call.timeoutMs ?? defaultTimeoutMs;
  const started = performance.now();
  for (let tried = 1; ; tried += 1) {
    const leftMs = limitMs - (performance.now() - started);
    const answer = await once({ ...call, timeoutMs: Math.max(1000, leftMs) });
    // One limit for all tries: whoever waits is told in time.
    const late = performance.now() - started > limitMs / 2;
    if (!isPassing(answer) || !mayRetry(call) || tried === tries || late) return answer;
    await sleep(100 * 2 ** tried * (0.5 + Math.random()));
  }
};

/** RFC 9457 as a refusal; codes of newer servers are kept under `server_code`. */
const readProblem = ({ server, path }: Call, { status, body }: Answer): Refused => {
  const parsed = parseJson(body.toString('utf8'), { numbers: 'any', maxBytes: maxAnswerBytes });
  const problem = parsed.ok && isObject(parsed.value) ? parsed.value : {};
  const { code, rule, detail, facts, help } = problem;
  const told = typeof detail === 'string' ? detail : `\`${path}\` on \`${server}\` was answered with status ${status}`;
  const more = typeof help === 'string' ? help : undefined;
  const values = isObject(facts) ? facts : {};
  if (typeof code === 'string' && isRefusalCode(code))
    return refuse(code, typeof rule === 'string' ? rule : 'W7', told, values, more);
  if (status === 401)
    return refuse('sign-in-needed', 'W7', told, values, more ?? 'open a session with `countersign login`');
  return refuse(
    'server-refused',
    'W7',
    told,
    { ...values, status, server_code: typeof code === 'string' ? code : null },
    more ?? 'the server is newer than this command line, or something else answers at its address',
  );
};

export const malformedAnswer = (what: string): Refused =>
  refuse(
    'answer-malformed',
    'W7',
    `the server's answer cannot be read: ${what}`,
    {},
    'look at the address (`--server`) and at the versions on both sides',
  );

/** The bytes of an answer, or the refusal the server gave. */
export const callBytes = async (call: Call): Promise<Result<Uint8Array>> => {
  const answer = await send(call);
  if (!answer.ok) return answer;
  return answer.value.status >= 200 && answer.value.status < 300
    ? ok(answer.value.body)
    : readProblem(call, answer.value);
};

/** The same as text. */
export const callText = async (call: Call): Promise<Result<string>> => {
  const bytes = await callBytes(call);
  return bytes.ok ? ok(Buffer.from(bytes.value).toString('utf8')) : bytes;
};

/** The JSON of an answer; read strictly, but fractions are taken, since nobody signs it. */
export const callJson = async (call: Call): Promise<Result<JsonValue>> => {
  const text = await callText(call);
  if (!text.ok) return text;
  const parsed = parseJson(text.value, { numbers: 'any', maxBytes: maxAnswerBytes, maxDepth: 64 });
  return parsed.ok ? parsed : malformedAnswer(parsed.refusal.message);
};
