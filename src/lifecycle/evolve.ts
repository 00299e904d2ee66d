// SPDX-License-Identifier: Apache-2.0
import type { Attachments, FoldedEntry } from '../kernel/decider.ts';
import { BrokenInvariant } from '../kernel/refusal.ts';
import { appendLeaf } from '../ledger/merkle.ts';
import { isOver, type RequestState, type RequestStatus } from '../request/request-state.ts';
import type { Command } from './command.ts';
import type { EventOf, LifecycleEvent } from './event.ts';
import { readGenesis } from './genesis.ts';
import { applyGovernance } from './governance.ts';
import { changeDigest, revisedChange } from './settle.ts';
import { hourOf, rootsKept, type Identity, type State } from './state.ts';
import { submittedChange } from './submit.ts';
import { recordedVote } from './recorded-vote.ts';

export type LifecycleEntry = FoldedEntry<Command, LifecycleEvent>;

/** Folds one entry into the state: first its events, in order, then the tree. An event it does not know stops it. */
export const evolve = (state: State, entry: LifecycleEntry, attachments: Attachments): State => {
  let next = state;
  for (const event of entry.events) next = applyEvent(next, event, entry, attachments);
  return growTree(noteEntry(next, entry), entry.leafHash);
};

/** Remembers for every request which entries tell of it. */
const noteEntry = (state: State, { events, index }: LifecycleEntry): State => {
  const ids = new Set(events.map(requestNamedBy).filter((id) => id !== null));
  let { requests } = state;
  for (const id of ids) {
    const request = requests.get(id);
    if (request !== undefined) requests = requests.set(id, { ...request, entries: [...request.entries, index] });
  }
  return requests === state.requests ? state : { ...state, requests };
};

const requestNamedBy = (event: LifecycleEvent): string | null => {
  if (event.type === 'PermitIssued') return event.permit.request;
  if (event.type === 'ReviewOpened') return event.debt.request;
  return 'request' in event ? event.request : null;
};

const growTree = (state: State, leafHash: string): State => {
  const edge = appendLeaf(state.edge, leafHash);
  const roots = state.roots.set(String(edge.size), edge);
  return { ...state, edge, roots: edge.size > rootsKept ? roots.delete(String(edge.size - rootsKept)) : roots };
};

const identityOf = (state: State): Identity => {
  if (state.identity === null) throw new BrokenInvariant('an event before genesis');
  return state.identity;
};

const requestOf = (state: State, id: string): RequestState => {
  const request = state.requests.get(id);
  if (request === undefined) throw new BrokenInvariant(`an event about the unknown request \`${id}\``);
  return request;
};

const put = (state: State, request: RequestState): State => ({
  ...state,
  requests: state.requests.set(request.id, request),
  open: isOver(request.status) ? state.open.delete(request.id) : state.open.set(request.id, true),
});

const finish = (state: State, id: string, status: RequestStatus, endedBy: string | null = null): State =>
  put(state, { ...requestOf(state, id), status, endedBy });

const applyEvent = (state: State, event: LifecycleEvent, entry: LifecycleEntry, attachments: Attachments): State => {
  switch (event.type) {
    case 'GenesisAccepted':
      return applyGenesis(state, entry, attachments);
    case 'RequestSubmitted':
      return applySubmitted(state, event, entry, attachments);
    case 'RequestRevised':
      return applyRevised(state, event, entry);
    case 'ApprovalRecorded':
    case 'RejectionRecorded':
      return applyVote(state, event, entry);
    case 'GateMet':
      return put(state, { ...requestOf(state, event.request), status: 'met', metAt: entry.time, seats: event.seats });
    case 'GateLost':
      return put(state, { ...requestOf(state, event.request), status: 'pending', metAt: null, seats: [] });
    case 'RequestRefused':
      return finish(state, event.request, 'refused', event.code);
    case 'RequestWithdrawn':
      return finish(state, event.request, 'withdrawn', event.by);
    case 'RequestVetoed':
      return finish(state, event.request, 'vetoed', event.by);
    case 'RequestExpired':
    case 'PermitExpired':
      return finish(state, event.request, 'expired');
    case 'PermitVoided':
      return voidPermit(state, event);
    case 'PermitIssued': {
      const { permit } = event;
      const issued = put(state, { ...requestOf(state, permit.request), status: 'permitted', permit });
      return { ...issued, permits: issued.permits.set(permit.permit, permit.request) };
    }
    case 'PermitConsumed':
      return put(state, { ...requestOf(state, event.request), status: 'consumed', consumedAt: entry.time });
    case 'ResultRecorded':
      return finish(state, event.request, 'finished', event.outcome);
    case 'ReviewOpened':
      return { ...state, debts: state.debts.set(event.debt.request, event.debt) };
    case 'ReviewClosed':
      return { ...state, debts: state.debts.delete(event.request) };
    case 'ReviewOverdue': {
      const debt = state.debts.get(event.request);
      return debt === undefined
        ? state
        : { ...state, debts: state.debts.set(event.request, { ...debt, overdue: true }) };
    }
    case 'RosterChanged':
    case 'PolicyActivated':
      return applyActivated(state, event, entry, attachments);
    case 'CommandRefused':
      return countRefusal(state, event.principal, hourOf(entry.time));
    // Facts for people, alerts and reports; nothing is decided on them.
    case 'TimelockStarted':
    case 'BreakGlassInvoked':
    case 'BreakGlassEnded':
    case 'FindingRaised':
    case 'RefusalsSummarised':
      return state;
    default:
      throw new BrokenInvariant(`unknown event \`${(event satisfies never as { type: string }).type}\``);
  }
};

const commandOf = <T extends Command['type']>(entry: LifecycleEntry, type: T): Extract<Command, { type: T }> => {
  if (entry.command.type !== type) throw new BrokenInvariant(`entry ${entry.index} holds no ${type}`);
  return entry.command as Extract<Command, { type: T }>;
};

const applyGenesis = (state: State, entry: LifecycleEntry, attachments: Attachments): State => {
  const genesis = readGenesis(commandOf(entry, 'Genesis'), attachments);
  if (!genesis.ok) throw new BrokenInvariant(`the genesis can't be read again: ${genesis.refusal.message}`);
  const { identity, roster, policy } = genesis.value;
  return {
    ...state,
    identity,
    roster,
    policy,
    policyVersion: 1,
    governance: entry.leafHash,
    governanceEntries: [entry.index],
  };
};

const applySubmitted = (
  state: State,
  event: EventOf<'RequestSubmitted'>,
  entry: LifecycleEntry,
  attachments: Attachments,
): State => {
  const command = commandOf(entry, 'SubmitRequest');
  const submitted = submittedChange({ state, identity: identityOf(state), moment: entry, attachments }, command);
  if (!submitted.ok || submitted.value.digest !== event.change)
    throw new BrokenInvariant(`entry ${entry.index} does not give change \`${event.change}\` again`);
  const { requester, change, digest, serveOnce, keys } = submitted.value;
  const request: RequestState = {
    id: event.request,
    status: 'pending',
    submission: command,
    requester,
    change,
    digest,
    keys,
    votes: [],
    metAt: null,
    seats: [],
    permit: null,
    consumedAt: null,
    restsOn: [entry.leafHash],
    endedBy: null,
    entries: [],
  };
  return { ...put(state, request), used: serveOnce.reduce((used, one) => used.set(one, true), state.used) };
};

const applyRevised = (state: State, event: EventOf<'RequestRevised'>, entry: LifecycleEntry): State => {
  const request = requestOf(state, event.request);
  const revised = revisedChange(state, identityOf(state), request, entry.time);
  if (!revised.ok || changeDigest(revised.value) !== event.change)
    throw new BrokenInvariant(`entry ${entry.index} does not give revision ${event.revision} again`);
  return put(state, {
    ...request,
    status: 'pending',
    change: revised.value,
    digest: event.change,
    metAt: null,
    seats: [],
    restsOn: [...request.restsOn, entry.leafHash],
  });
};

const applyVote = (
  state: State,
  event: EventOf<'ApprovalRecorded'> | EventOf<'RejectionRecorded'>,
  entry: LifecycleEntry,
): State => {
  const request = requestOf(state, event.request);
  const vote = recordedVote(commandOf(entry, 'CastVote'), event, entry);
  return put(state, { ...request, votes: [...request.votes, vote] });
};

const voidPermit = (state: State, event: EventOf<'PermitVoided'>): State => {
  const request = requestOf(state, event.request);
  return isOver(request.status) ? state : finish(state, event.request, 'refused', event.code);
};

const applyActivated = (
  state: State,
  event: EventOf<'RosterChanged'> | EventOf<'PolicyActivated'>,
  entry: LifecycleEntry,
  attachments: Attachments,
): State => {
  const request = requestOf(state, event.request);
  const applied = applyGovernance(state, request.change, attachments);
  if (!applied.ok) throw new BrokenInvariant(`entry ${entry.index} can't be applied again: ${applied.refusal.message}`);
  const { roster, policy, kind } = applied.value;
  const done = finish(state, event.request, 'finished', 'succeeded');
  return {
    ...done,
    roster,
    policy,
    policyVersion: done.policyVersion + (kind === 'policy' ? 1 : 0),
    governance: entry.leafHash,
    governanceEntries: [...done.governanceEntries, entry.index],
  };
};

const countRefusal = (state: State, principal: string, hour: string): State => {
  const before = state.refusals.get(principal);
  const count = before !== undefined && before.hour === hour ? before.count + 1 : 1;
  return { ...state, refusals: state.refusals.set(principal, { hour, count }) };
};
