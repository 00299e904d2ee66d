// SPDX-License-Identifier: Apache-2.0
import { digestOf } from '../crypto/digest.ts';
import { canonicalize } from '../kernel/canonical-json.ts';
import type { PersistentMap } from '../kernel/persistent-map.ts';
import type { JsonObject, JsonValue } from '../kernel/refusal.ts';
import { rootOf } from '../ledger/merkle.ts';
import { policyDigest } from '../policy/policy-shape.ts';
import type { RequestState } from '../request/request-state.ts';
import type { State } from './state.ts';

const objectOf = <V>(map: PersistentMap<V>, textOf: (value: V) => JsonValue): JsonObject =>
  Object.fromEntries([...map.entries()].map(([key, value]) => [key, textOf(value)]));

// Field by field, so that a release that keeps more in memory still gives the same digest.
const requestText = (request: RequestState): JsonObject => ({
  status: request.status,
  revision: request.change.revision,
  change: request.digest,
  requester: request.requester.principal,
  keys: request.keys,
  votes: request.votes.map(
    ({ person, key, decision, seats, level, independent, not_after, revision, index, leaf }) => ({
      person,
      key,
      decision,
      seats,
      level,
      independent,
      not_after,
      revision,
      index,
      leaf,
    }),
  ),
  met_at: request.metAt,
  seats: request.seats.map(({ seat, person, index }) => ({ seat, person, index })),
  permit: request.permit,
  consumed_at: request.consumedAt,
  rests_on: request.restsOn,
  ended_by: request.endedBy,
  entries: request.entries,
});

/**
 * SHA-256 over what a ledger has come to (FORMATS §8.1): the same entries give the same digest on every machine and
 * with every release, so that two replays can be compared in one line.
 */
export const stateDigest = (state: State): string =>
  digestOf(
    canonicalize({
      type: 'countersign.dev/state/v0',
      identity: state.identity === null ? null : { ...state.identity },
      size: state.edge.size,
      root: rootOf(state.edge),
      roster: { version: state.roster.version, root: state.roster.root },
      policy: { version: state.policyVersion, digest: state.policy === null ? null : policyDigest(state.policy) },
      governance: state.governance,
      governance_entries: state.governanceEntries,
      requests: objectOf(state.requests, requestText),
      open: [...state.open.keys()].sort(),
      permits: objectOf(state.permits, (request) => request),
      debts: objectOf(state.debts, (debt) => ({ ...debt })),
      used: [...state.used.keys()].sort(),
      refusals: objectOf(state.refusals, (count) => ({ ...count })),
    }),
  );
