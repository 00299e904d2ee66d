// SPDX-License-Identifier: Apache-2.0
// A request out of the test world as the API answers it, for tests of what is shown.
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import { addMs } from '../../src/kernel/instant.ts';
import { namespaces } from '../../src/kernel/statements.ts';
import { fingerprintWords } from '../../src/crypto/words.ts';
import { canDecide, explain } from '../../src/approve/explain.ts';
import type { RequestView } from '../../src/contract/api.ts';
import { lockEndsAt } from '../../src/timelock/time-lock.ts';
import { renderRequestPage, type RequestPageContext } from '../../src/server/page-request.ts';
import { deployAction, personOf, policyOf, type World } from '../support/world.ts';

export const displayNames: { readonly [person: string]: string } = {
  [personOf('ada')]: 'Ada Byron',
  [personOf('bob')]: 'Bob Metcalfe',
  [personOf('grace')]: 'Grace Hopper',
  [personOf('linus')]: 'Linus Pauling',
  [personOf('radia')]: 'Radia Perlman',
};

/** What the requester types as `risk` can only make it riskier, so that every request of it is strict. */
export const strictPolicy = policyOf(
  deployAction({
    risk: {
      start: 20,
      add: [
        {
          points: 40,
          when: {
            op: 'call',
            function: '>',
            arguments: [
              { op: 'fact', name: 'risk' },
              { op: 'literal', value: 50 },
            ],
          },
        },
      ],
      never_below: [],
    },
  }),
);

export const viewOf = (
  world: World,
  id: string,
  viewer: string | null,
  over: Partial<RequestView> = {},
): RequestView => {
  const request = world.stateOf(id);
  const { change } = request;
  const tree = explain(request, world.state.roster, world.time);
  const seats = tree.children.find((child) => child.code === 'seats')?.values as { filled: number; wanted: number };
  const debt = world.state.debts.get(id);
  return {
    request: id,
    status: request.status,
    action: change.action,
    title: 'Put a built version of a service into production',
    target: change.target,
    tier: change.tier,
    emergency: change.emergency,
    enforced: change.enforced,
    requester: change.requester,
    requested_at: change.requested_at,
    answer_by: change.answer_by,
    not_after: change.not_after,
    revision: change.revision,
    change: request.digest,
    seats_filled: seats.filled,
    seats_wanted: seats.wanted,
    change_text: canonicalize(change),
    words: [...fingerprintWords(request.digest)],
    reason_salt: '0'.repeat(32),
    reason_state: 'kept',
    reason_erased: null,
    reason: 'The shop shows wrong prices since this morning.\nThe fix is in 4f2a.',
    runbook: 'runbooks/deploy.md',
    votes: request.votes.map(({ person, decision, revision, level, index }) => ({
      person,
      decision,
      revision,
      level,
      index,
    })),
    explanation: tree,
    can_decide:
      viewer === null
        ? null
        : {
            ...canDecide(request, world.state.roster, viewer),
            seats: [...canDecide(request, world.state.roster, viewer).seats],
          },
    met_at: request.metAt,
    locked_until: request.metAt === null || change.gate.time_lock === null ? null : lockEndsAt(change, request.metAt),
    permit:
      request.permit === null
        ? null
        : {
            permit: request.permit.permit,
            issued_at: request.permit.issued_at,
            expires_at: request.permit.expires_at,
            persons: request.permit.persons,
          },
    outcome: request.status === 'finished' ? request.endedBy : null,
    ended_by: request.endedBy,
    debt: debt === undefined ? null : { reviewers: debt.reviewers, due_at: debt.due_at, overdue: debt.overdue },
    review: null,
    entries: [...request.entries],
    people: {},
    ...over,
  };
};

/** The text of the vote a person would sign, as `GET …/statement` gives it. */
export const voteText = (world: World, id: string, by: string, decision: 'approve' | 'reject'): string => {
  const command = world.vote(id, by, { decision });
  return command.type === 'CastVote' ? command.envelope.statement : '';
};

export const contextOf = (
  world: World,
  viewer: string | null,
  over: Partial<RequestPageContext> = {},
): RequestPageContext => ({
  nonce: 'bm9uY2Utb2YtdGhpcy1wYWdl',
  now: addMs(world.time, 60_000),
  people: displayNames,
  viewer: viewer === null ? null : `person:${viewer}`,
  trial: true,
  ledger: 'countersign-trial/0123456789abcdef0123456789abcdef',
  pin: world.ledger,
  serverUrl: 'https://countersign.example',
  statement: null,
  namespace: namespaces['countersign.dev/vote/v0'],
  behind: null,
  alert: { taken: 0, channels: 0 },
  content: { kind: 'none' },
  ...over,
});

export const statementOf = (world: World, id: string, by: string) => ({
  approve: voteText(world, id, by, 'approve'),
  reject: voteText(world, id, by, 'reject'),
});
/** The page of a request as this person sees it. */
export const pageFor = (
  world: World,
  id: string,
  name: string,
  over: Parameters<typeof viewOf>[3] = {},
  around: Parameters<typeof contextOf>[2] = {},
): string => {
  const view = viewOf(world, id, personOf(name), over);
  const statement = view.can_decide?.may === true ? statementOf(world, id, name) : null;
  return renderRequestPage(view, contextOf(world, personOf(name), { statement, ...around }));
};

/** What somebody reads: without tags, entities read back. */
export const textIn = (page: string): string =>
  page
    .replaceAll(/<style[\s\S]*?<\/style>/g, '')
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&#96;', '`')
    .replaceAll('&amp;', '&')
    .replaceAll(/\s+/g, ' ');
