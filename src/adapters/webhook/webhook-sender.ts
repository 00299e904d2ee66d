// SPDX-License-Identifier: Apache-2.0
import { request as requestPlain } from 'node:http';
import { request as requestTls } from 'node:https';
import { notSent, sent, type Delivery } from '../../app/delivery.ts';
import { guardedLookup } from '../../app/outside-address.ts';
import type { WebhookTarget } from './webhook-address.ts';
import { signWebhook } from './webhook-signature.ts';

export type WebhookSender = {
  /** Sends one message; never rejects. `id` stays the same when it is sent again, so that the receiver can tell. */
  readonly send: (
    message: { readonly id: string; readonly payload: string },
    signal?: AbortSignal,
  ) => Promise<Delivery>;
};

export type WebhookOptions = {
  readonly target: WebhookTarget;
  readonly secrets: readonly Uint8Array[];
  /** For the whole exchange, milliseconds. */
  readonly timeoutMs?: number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
};

/**
 * Sends messages as Standard Webhooks describes: signed, without following redirects, with a time limit. Only an
 * answer of 2xx counts; `410 Gone` says that there is no use in trying again.
 */
export const webhookSender = ({
  target,
  secrets,
  timeoutMs = 10_000,
  now = Date.now,
}: WebhookOptions): WebhookSender => {
  const { url, allows } = target;
  const send = url.protocol === 'https:' ? requestTls : requestPlain;
  return {
    send: ({ id, payload }, signal) =>
      new Promise<Delivery>((resolve) => {
        const timestamp = Math.floor(now() / 1000);
        const body = Buffer.from(payload, 'utf8');
        const limit = AbortSignal.timeout(timeoutMs);
        const request = send(url, {
          method: 'POST',
          agent: false,
          lookup: guardedLookup(allows),
          signal: signal === undefined ? limit : AbortSignal.any([limit, signal]),
          headers: {
            'content-type': 'application/json',
            'content-length': body.length,
            'user-agent': 'countersign',
            'webhook-id': id,
            'webhook-timestamp': String(timestamp),
            'webhook-signature': signWebhook(secrets, id, timestamp, payload),
          },
        });
        request.on('error', (error) =>
          resolve(notSent(limit.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(error))),
        );
        // Without this node lets go of the request, and neither an answer nor an error ever comes.
        request.once('upgrade', (_, socket) => {
          socket.destroy();
          resolve(notSent('the receiver answered 101'));
        });
        request.once('response', (response) => {
          const status = response.statusCode ?? 0;
          // Whatever it says is not read: a receiver cannot make us hold its answer.
          response.destroy();
          resolve(status >= 200 && status < 300 ? sent : notSent(`the receiver answered ${status}`, status === 410));
        });
        request.end(body);
      }),
  };
};

const reasonOf = (error: Error): string => {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : error.message.slice(0, 200);
};
