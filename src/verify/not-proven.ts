// SPDX-License-Identifier: Apache-2.0
import type { JsonObject } from '../kernel/refusal.ts';
import type { Permit, RequestState } from '../request/request-state.ts';
import type { Replay } from './replay.ts';
import type { Limit, LimitCode, VerifyOptions } from './verdict.ts';
import type { Witnessed } from './witnessed.ts';

/** What a file that passes still leaves open; said every time, so that nobody reads more out of a `PASS` than is in it. */
export const limitsOf = (
  replay: Replay,
  request: RequestState,
  permit: Permit,
  options: VerifyOptions,
  shown: ReadonlySet<number>,
  witnessed: Witnessed | undefined,
): readonly Limit[] => {
  const limits: Limit[] = [];
  const say = (code: LimitCode, values: JsonObject = {}): void => void limits.push({ code, values });
  const { change, votes } = request;
  const counted = new Set(permit.seats.map((seat) => seat.vote));
  const countedVotes = votes.filter((vote) => counted.has(vote.leaf));
  if (replay.identity.trial) say('trial');
  else say('formats-v0');
  if (permit.enforced === 'advisory') say('enforcement-advisory');
  if (permit.persons === 0) say('zero-persons');
  const adapters = Object.entries(change.facts).filter(([, fact]) => fact.vouched === 'adapter');
  if (adapters.length > 0)
    say('adapter-facts', { facts: Object.fromEntries(adapters.map(([name, fact]) => [name, fact.source])) });
  if (!countedVotes.some((vote) => vote.independent)) say('surface-not-independent');
  if (change.emergency) say('emergency-debt-state', { raised: change.gate.raised });
  const unseen = replay.seen.filter(
    (seen) => countedVotes.some((vote) => vote.index === seen.index) && !shown.has(seen.size),
  );
  if (unseen.length > 0) say('seen-not-shown', { sizes: unseen.map((seen) => seen.size) });
  const wait = change.gate.time_lock?.wait_ms ?? 0;
  const lock = wait > 0 ? { time_lock_ms: wait, gate_met_at: permit.gate_met_at } : {};
  say('time-operators-clock', witnessed?.lock === true ? { witnessed: true } : lock);
  say('order-operators-word');
  say('refusals-not-shown');
  if (options.knownGovernance === undefined) say('governance-freshness', { roster: replay.state.roster.version });
  if (witnessed === undefined) say('no-witness');
  return limits;
};
