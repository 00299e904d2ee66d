// SPDX-License-Identifier: Apache-2.0
// People and machines who ask servers of one ledger in turn, as behind a proxy: whoever gets no answer, or "not now",
// asks the next one again under the same idempotency key, until it is answered.
import assert from 'node:assert/strict';
import type { LedgerInfo, PermitAnswer, Submitted } from '../../src/contract/api.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import type { HttpAnswer } from '../server/running.ts';
import { sign } from '../support/world.ts';
import { pause } from './killed-child.ts';
import type { Member } from './server-trio.ts';

type Receipt = { readonly index: number; readonly entry: string; readonly proof: string };
export type Life = { readonly request: string; readonly used: boolean };

const answerWithinMs = 1500;
const giveUpMs = 60_000;

const within = <T>(work: Promise<T>): Promise<T> => {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error('no answer')), answerWithinMs);
  work.catch(() => undefined);
  return Promise.race([work, late.promise]).finally(() => clearTimeout(timer));
};

export class ServerLoad {
  readonly #members: readonly Member[];
  /** By idempotency key: what was acknowledged. */
  readonly receipts = new Map<string, Receipt>();
  readonly lives: Life[] = [];
  /** Answers that each server gave. */
  readonly answers = new Map<string, number>();
  /** Calls without an answer, and calls that were told to come again. */
  unanswered = 0;
  refused = 0;
  #turn = 0;
  #keys = 0;

  constructor(members: readonly Member[]) {
    this.#members = members;
  }

  answersOf({ name }: Member): number {
    return this.answers.get(name) ?? 0;
  }

  /** Asks, votes, fetches the permit and uses it, over and over, until `stopped`; what was begun is ended. */
  async press(stopped: AbortSignal): Promise<void> {
    while (!stopped.aborted) await this.live();
  }

  async live(): Promise<void> {
    const { running } = this.#next();
    const asked = await this.ask(running.requestBody());
    const { size, root } = await this.#get<LedgerInfo>('/v1/ledger');
    const vote = {
      type: 'countersign.dev/vote/v0',
      ...running.common('linus'),
      request: asked.request,
      revision: asked.revision,
      change: asked.change,
      decision: 'approve',
      seats: ['platform'],
      seen: { size, root },
      comment: null,
      not_after: new Date(Date.now() + 3_600_000).toISOString(),
    };
    await this.#post(`/v1/requests/${asked.request}/votes`, { envelope: sign(vote, 'linus') }, 201);
    const { permit } = await this.#post<PermitAnswer>(`/v1/requests/${asked.request}/permit`, {}, 200);
    const used = this.lives.length % 2 === 0;
    this.lives.push({ request: asked.request, used });
    if (!used) return;
    await this.#post(`/v1/permits/${permit}/consume`, running.consumptionBody(permit, asked.change), 200);
    await this.#post(`/v1/executions/${permit}/result`, running.resultBody(permit), 200);
  }

  ask(body: object): Promise<Submitted> {
    return this.#post<Submitted>('/v1/requests', body, 201);
  }

  #next(): Member {
    this.#turn += 1;
    return this.#members[this.#turn % this.#members.length] as Member;
  }

  async #post<T>(path: string, body: object, status: number): Promise<T> {
    this.#keys += 1;
    const key = `key-${this.#keys}`;
    const answer = await this.#reach((member) => member.running.post<T>(path, body, { 'idempotency-key': key }));
    assert.equal(answer.status, status, `${path} ${JSON.stringify(answer.body)}`);
    const { receipt } = answer.body as { readonly receipt?: Receipt | null };
    if (receipt !== undefined && receipt !== null) this.receipts.set(key, receipt);
    return answer.body;
  }

  async #get<T>(path: string): Promise<T> {
    const answer = await this.#reach((member) => member.running.get<T>(path));
    assert.equal(answer.status, 200, `${path} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  async #reach<T>(ask: (member: Member) => Promise<HttpAnswer<T>>): Promise<HttpAnswer<T>> {
    const end = performance.now() + giveUpMs;
    let last = 'nothing';
    for (;;) {
      assert.ok(performance.now() < end, `no server answered for so long; the last word was ${last}`);
      const member = this.#next();
      try {
        const answer = await within(ask(member));
        const { code } = answer.body as JsonObject;
        if (answer.status !== 503 && code !== 'idempotency-in-flight') {
          this.answers.set(member.name, this.answersOf(member) + 1);
          return answer;
        }
        last = `${member.name}: ${answer.status} ${JSON.stringify(answer.body)}`;
        this.refused += 1;
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        last = `${member.name}: ${String(error)}`;
        this.unanswered += 1;
      }
      await pause(20);
    }
  }
}
