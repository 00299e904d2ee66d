// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http';
import type { z } from 'zod';
import type { RouteName } from '../contract/routes.ts';
import { parseJson } from '../kernel/canonical-json.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';

const bodyMax = 1024 * 1024;
/** 16 MiB of attachments are 21.4 MiB in base64; the rest is the envelope. */
const submitMax = 24 * 1024 * 1024;

export const bodyLimit = (route: RouteName): number => (route === 'submitRequest' ? submitMax : bodyMax);

/**
 * Room for large bodies, whoever sends them: they are read before anybody knows who signed them, and strangers must
 * not fill the memory (SPEC H10). A body that does not say its length is a small one or is cut off.
 */
export class LargeBodies {
  readonly #most: number;
  #count = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Reads within the limit that there is room for. */
  async read(incoming: IncomingMessage, limit: number): Promise<Result<Buffer>> {
    const declared = Number(incoming.headers['content-length'] ?? 0);
    if (!(declared > bodyMax && declared <= limit)) return readBody(incoming, Math.min(limit, bodyMax));
    if (this.#count >= this.#most)
      return refuse(
        'overloaded',
        'H10',
        `${this.#count} large bodies are being read already`,
        { being_read: this.#count },
        'try again in a few seconds',
      );
    this.#count += 1;
    try {
      return await readBody(incoming, limit);
    } finally {
      this.#count -= 1;
    }
  }
}

const tooLarge = (limit: number): Refused =>
  refuse(
    'body-too-large',
    'H3',
    `the body has more than ${limit} bytes`,
    { limit },
    'send less, or attach large content by its digest',
  );

/** All bytes of a body, at most `limit`; the sender is not read any further beyond it. */
export const readBody = (incoming: IncomingMessage, limit: number): Promise<Result<Buffer>> => {
  if (Number(incoming.headers['content-length'] ?? 0) > limit) return Promise.resolve(tooLarge(limit));
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const cut = (): void =>
      resolve(refuse('json-malformed', 'H3', 'the body ended before all of it came', {}, 'send it again'));
    incoming.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= limit) {
        chunks.push(chunk);
        return;
      }
      incoming.pause();
      incoming.removeAllListeners('data');
      resolve(tooLarge(limit));
    });
    incoming.on('end', () => resolve(ok(chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks))));
    incoming.on('error', cut);
    incoming.on('close', cut);
  });
};

/** Refuses a body that is not declared as what the route takes (SPEC H3): pages of other sites cannot declare JSON. */
export const checkContentType = (incoming: IncomingMessage, form: boolean): Refused | undefined => {
  const type = incoming.headers['content-type'] ?? '';
  const encoding = incoming.headers['content-encoding'] ?? 'identity';
  const wanted = form
    ? /^application\/x-www-form-urlencoded *(;|$)/i
    : /^application\/json *(; *charset="?utf-8"? *)?$/i;
  if (wanted.test(type) && encoding === 'identity') return undefined;
  const expected = form ? 'application/x-www-form-urlencoded' : 'application/json';
  const came = encoding === 'identity' ? type : `${type}, ${encoding}`;
  return refuse(
    'content-type-wrong',
    'H3',
    `the body is declared as \`${came.slice(0, 100)}\``,
    { expected },
    `send it as \`${expected}\`, in UTF-8 and not compressed`,
  );
};

/** Reads a JSON body as its route's schema says. Unknown fields, duplicate keys and wrong types are refused by name. */
export const parseBody = (bytes: Uint8Array, schema: z.ZodType, limit: number): Result<unknown> => {
  const parsed = parseJson(bytes, { maxBytes: limit });
  if (!parsed.ok) return parsed;
  const checked = schema.safeParse(parsed.value);
  if (checked.success) return ok(checked.data);
  const issue = checked.error.issues[0];
  const path = (issue?.path ?? []).map(String).join('.');
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const field = unknown === undefined ? path || 'body' : path === '' ? unknown : `${path}.${unknown}`;
  return refuse(
    'shape-mismatch',
    'H3',
    unknown === undefined
      ? `field \`${field.slice(0, 120)}\` is wrong: ${(issue?.message ?? 'not what was expected').slice(0, 200)}`
      : `unknown field \`${field.slice(0, 120)}\``,
    { field: field.slice(0, 120) },
    'look at `/docs` for the fields of this address',
  );
};
