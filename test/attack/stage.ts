// SPDX-License-Identifier: Apache-2.0
// What the attacks have in common: policies to attack, a clock to turn, governance by its own way, and what a refusal is.
import assert from 'node:assert/strict';
import type { Accepted, Problem, RosterView, Submitted } from '../../src/contract/api.ts';
import { digestOf } from '../../src/crypto/digest.ts';
import { encodeBase64 } from '../../src/kernel/base64.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import type { CompiledAction, CompiledPolicy, CompiledTier } from '../../src/policy/compiled.ts';
import { rosterAfter } from '../../src/roster/change.ts';
import { minute, deployAction, tier } from '../support/world.ts';
import type { HttpAnswer, Running } from '../server/running.ts';

/** One person of each of two groups; Grace is in both. */
export const twoSeats = (over: Partial<CompiledTier> = {}): CompiledTier =>
  tier({
    seats: [
      { name: 'platform', count: 1, group: 'group:platform' },
      { name: 'security', count: 1, group: 'group:security' },
    ],
    ...over,
  });

export const oneSeatAction = (over: Partial<CompiledAction> = {}): CompiledAction =>
  deployAction({ tiers: [tier()], ...over });
export const twoSeatAction = (over: Partial<CompiledAction> = {}): CompiledAction =>
  deployAction({ ask: ['group:developers', 'machine:ci', 'machine:agent'], tiers: [twoSeats()], ...over });
/** A quarter of an hour in which Margaret or Linus may stop it. */
export const lockedAction = (over: Partial<CompiledAction> = {}): CompiledAction =>
  deployAction({ tiers: [tier({ time_lock: { wait_ms: 15 * minute, veto: ['group:oncall'] } })], ...over });

/** A clock of the server that only moves when it is turned. */
export class Clock {
  aheadMs = 0;
  readonly now = (): number => Date.now() + this.aheadMs;

  turn(ms: number): void {
    this.aheadMs += ms;
  }
}

/** The answer is a "no" with one of these codes, as a problem, and with the status of a "no". */
export const refused = (answer: HttpAnswer<unknown>, ...codes: readonly string[]): Problem => {
  const { status, body } = answer;
  assert.ok(status >= 400 && status < 600, `expected ${codes.join(' or ')}, but it was answered ${status}`);
  assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/);
  assert.ok(codes.includes(body.code), `expected ${codes.join(' or ')}, got ${body.code}: ${body.detail}`);
  return body;
};

export const worked = <T>({ status, body }: HttpAnswer<T>): T => {
  assert.ok(status >= 200 && status < 300, `${status} ${JSON.stringify(body)}`);
  return body;
};

/** How far the ledger has come: whoever changed nothing left it where it was. */
export const headOf = async (running: Running): Promise<string> => {
  const { size, root } = await running.info();
  return `${size} ${root}`;
};

export const votesOf = async (running: Running, id: string): Promise<string[]> =>
  (await running.show(id)).votes.map((vote) => vote.person);

type Proposal = {
  readonly by?: string;
  readonly voters?: readonly string[];
  readonly possession?: readonly JsonObject[];
  readonly remove?: readonly string[];
};

/** Body of a request for a change of governance. */
export const proposalBody = (running: Running, action: string, change: JsonObject, by = 'grace'): JsonObject => {
  const content = Buffer.from(canonicalize(change));
  const digest = digestOf(content);
  const over = { action, facts: {}, content: digest, audience: null, executor: null };
  const { envelope, reason } = running.requestBody(over, by);
  return { envelope, reason, attachments: { [digest]: encodeBase64(content) } } as JsonObject;
};

const govern = async (running: Running, action: string, change: JsonObject, proposal: Proposal): Promise<string> => {
  const { by = 'grace', voters = ['radia', 'margaret'] } = proposal;
  const body = proposalBody(running, action, change, by);
  const { request } = worked(await running.post<Submitted>('/v1/requests', body));
  for (const voter of voters) worked(await running.vote(request, voter));
  worked(await running.post<Accepted>(`/v1/requests/${request}/activate`, {}));
  return request;
};

export const rosterChange = async (
  running: Running,
  set: { readonly [key: string]: JsonObject },
  { possession = [], remove = [] }: Proposal = {},
): Promise<JsonObject> => {
  const { version, root, records } = worked(await running.get<RosterView>('/v1/roster'));
  const now = new Map(Object.entries(records as { [key: string]: JsonObject }));
  return {
    type: 'countersign.dev/roster-change/v0',
    from: { version, root },
    to: { version: version + 1, root: rosterAfter(now, set, remove) },
    set,
    remove,
    possession,
  };
};

/** Changes the roster as it has to be done: three persons have a hand in it. */
export const changeRoster = async (
  running: Running,
  set: { readonly [key: string]: JsonObject },
  proposal: Proposal = {},
): Promise<string> => govern(running, 'governance.roster', await rosterChange(running, set, proposal), proposal);

export const policyChange = async (running: Running, policy: CompiledPolicy): Promise<JsonObject> => {
  const { policy: from } = await running.info();
  return {
    type: 'countersign.dev/policy-change/v0',
    from: { version: from.version, policy: from.digest },
    policy: policy as unknown as JsonObject,
  };
};

export const changePolicy = async (
  running: Running,
  policy: CompiledPolicy,
  proposal: Proposal = {},
): Promise<string> => govern(running, 'governance.policy', await policyChange(running, policy), proposal);

/** The record of a roster as it stands, with some of it changed. */
export const recordOf = async (
  running: Running,
  key: string,
  over: JsonObject,
): Promise<{ [key: string]: JsonObject }> => {
  const { records } = worked(await running.get<RosterView>('/v1/roster'));
  return { [key]: { ...(records[key] as JsonObject), ...over } };
};
