// SPDX-License-Identifier: Apache-2.0
import { Agent as PlainAgent, request as requestPlain, type IncomingMessage } from 'node:http';
import { Agent as TlsAgent, request as requestTls } from 'node:https';
import { guardedLookup } from '../../app/outside-address.ts';
import type { WitnessAddress } from './witness-address.ts';

/** What came back, or why nothing did. */
export type WitnessAnswer =
  | { readonly status: number; readonly type: string; readonly body: string }
  | { readonly failed: string };

/** More than any honest answer: a handful of signature lines, or one line of text. */
const maxAnswerBytes = 16 * 1024;

export type PostCheckpoint = (body: string, signal: AbortSignal) => Promise<WitnessAnswer>;

const reasonOf = (error: Error): string => {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : error.message.slice(0, 200);
};

// A body that is too long is not read to its end; the connection goes with it.
const readAnswer = async (response: IncomingMessage): Promise<WitnessAnswer> => {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxAnswerBytes) {
      response.destroy();
      return { failed: `its answer is longer than ${maxAnswerBytes} bytes` };
    }
    chunks.push(chunk);
  }
  if (!response.complete) return { failed: 'its answer was cut' };
  try {
    const body = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
    return { status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', body };
  } catch {
    return { failed: 'its answer is not UTF-8' };
  }
};

/**
 * Sends `add-checkpoint` requests over connections that stay open; never rejects. Redirects are answers like any other
 * and are not followed. `timeoutMs` is for the whole exchange.
 */
export const postCheckpoint = ({ url, allows }: WitnessAddress, timeoutMs: number): PostCheckpoint => {
  const tls = url.protocol === 'https:';
  const options = { keepAlive: true, maxSockets: 4, maxFreeSockets: 1, timeout: timeoutMs };
  const agent = tls ? new TlsAgent(options) : new PlainAgent(options);
  const send = tls ? requestTls : requestPlain;
  const exchange = (bytes: Buffer, signal: AbortSignal, limit: AbortSignal, again: boolean): Promise<WitnessAnswer> =>
    new Promise((resolve) => {
      const failed = (error: Error): void =>
        resolve({
          failed: limit.aborted
            ? `it gave no answer within ${timeoutMs} ms`
            : signal.aborted
              ? 'nobody waits for its answer any more'
              : `it cannot be reached (${reasonOf(error)})`,
        });
      const request = send(url, {
        method: 'POST',
        agent,
        lookup: guardedLookup(allows),
        signal: AbortSignal.any([limit, signal]),
        headers: {
          'content-type': 'text/plain; charset=utf-8',
          'content-length': bytes.length,
          'user-agent': 'countersign',
        },
      });
      request.on('error', (error: NodeJS.ErrnoException) => {
        // An open connection may have been closed while the request was on its way; asking twice does no harm.
        if (again && request.reusedSocket && error.code === 'ECONNRESET')
          resolve(exchange(bytes, signal, limit, false));
        else failed(error);
      });
      // Without this node lets go of the request, and says nothing any more: neither an answer nor an error.
      request.once('upgrade', (_, socket) => {
        socket.destroy();
        resolve({ failed: 'it answers in another protocol' });
      });
      request.once('response', (response) => void readAnswer(response).then(resolve, failed));
      request.end(bytes);
    });
  return (body, signal) => exchange(Buffer.from(body, 'utf8'), signal, AbortSignal.timeout(timeoutMs), true);
};
