// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';

/** One request as it is logged: the route's template, never its address, query, headers or body. */
export type LoggedRequest = {
  readonly id: string;
  readonly method: string;
  readonly route: string;
  readonly status: number;
  readonly ms: number;
  readonly code: string | null;
};

export type RequestLog = {
  readonly nextId: () => string;
  readonly request: (entry: LoggedRequest) => void;
  /** Something of the server's own life, or of its failures. Values must hold nothing that a caller sent. */
  readonly event: (level: 'info' | 'warn' | 'error', event: string, values?: Readonly<Record<string, unknown>>) => void;
  readonly flush: () => void;
};

const flushAfterMs = 50;

/** One JSON line each, written together a few times a second: a log must not cost more than what it tells of. */
export const startLog = (write: (lines: string) => void): RequestLog => {
  const run = randomBytes(4).toString('hex');
  let [count, waiting] = [0, ''];
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    const lines = waiting;
    waiting = '';
    if (lines !== '') write(lines);
  };
  const line = (value: object): void => {
    waiting += `${JSON.stringify({ time: new Date().toISOString(), ...value })}\n`;
    timer ??= setTimeout(flush, flushAfterMs).unref();
  };
  return {
    nextId: () => {
      count += 1;
      return `${run}-${count.toString(36)}`;
    },
    request: ({ id, method, route, status, ms, code }) =>
      line({
        level: status >= 500 ? 'error' : 'info',
        event: 'request',
        id,
        method,
        route,
        status,
        ms: Math.round(ms * 100) / 100,
        ...(code === null ? {} : { code }),
      }),
    event: (level, event, values = {}) => line({ level, event, ...values }),
    flush,
  };
};
