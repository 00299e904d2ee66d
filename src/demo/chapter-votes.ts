// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto';
import { openVerifiedCase } from '../client/verified-case.ts';
import { deployment, makeVersion, type Stage, type Version } from './stage.ts';
import { must } from './steps.ts';

/** Who may not approve, and why: nobody who made it, no machine, nobody twice. Gives the request, whose gate is met in the end. */
export const voteChapter = async (stage: Stage): Promise<{ readonly id: string; readonly version: Version }> => {
  const { steps, actors, organisation } = stage;
  makeVersion(stage, 'bob', '<h1>Shop</h1><p>Prices by Bob.</p>');
  const version = makeVersion(stage, 'ada', '<h1>Shop</h1><p>Prices by Bob, colours by Ada.</p>');
  const asked = steps.works(
    'request',
    await actors.ask('ada', deployment(version, 'new colours')),
    ({ request, change }) => `Ada asks to deploy ${version.commit.slice(0, 12)}: ${request}, ${change.slice(0, 23)}…`,
  );
  const id = asked.request;
  steps.note(
    'low-fact-lowers-nothing',
    asked.tier === 'strict',
    `Ada typed \`migrations: 0\`; nobody vouches for it, so the tier is \`${asked.tier}\``,
  );
  const opened = must('case', await openVerifiedCase(await actors.client('grace'), id));
  const authors = opened.change.facts['authors']?.value;
  steps.note(
    'authors-by-signature',
    JSON.stringify(authors) === JSON.stringify([organisation.idOf('ada'), organisation.idOf('bob')].sort()),
    'Ada and Bob are the authors, by the signatures on their commits',
  );
  steps.refused('own-vote', await actors.vote('ada', id), 'vote-by-producer', 'Ada approves what she asked for');
  steps.refused('author-vote', await actors.vote('bob', id), 'vote-by-producer', 'Bob approves what he wrote');
  steps.refused('agent-vote', await actors.vote('agent', id), 'vote-by-machine', "Ada's agent approves for her");
  await agentAsks(stage, version);
  await forgedAuthor(stage);
  steps.works('first-vote', await actors.vote('grace', id), () => 'Grace approves; she is in both groups of the gate');
  steps.refused('one-is-not-enough', await actors.permit('deployer', id), 'gate-pending', 'a permit after one vote');
  steps.refused(
    'second-key',
    await actors.vote('grace-second', id),
    'vote-already-cast',
    'Grace votes with her other key',
  );
  await copiedVote(stage, version, id);
  steps.works(
    'second-vote',
    await actors.vote('linus', id),
    () => 'Linus approves; two distinct people fill the two seats',
  );
  steps.refused('time-lock', await actors.permit('deployer', id), 'timelock-running', 'a permit at once');
  return { id, version };
};

// Whoever owns an agent, or drives it, asks for what it asks for (E3, INV10).
const agentAsks = async ({ steps, actors, organisation }: Stage, version: Version): Promise<void> => {
  const wish = { ...deployment(version, 'the agent thinks so'), drivers: [organisation.idOf('grace')] };
  const asked = must('the agent asks', await actors.ask('agent', wish));
  steps.refused(
    'agent-owner',
    await actors.vote('ada', asked.request),
    'vote-by-producer',
    'Ada approves what her agent asks',
  );
  steps.refused(
    'agent-driver',
    await actors.vote('grace', asked.request),
    'vote-by-producer',
    'Grace, who drives the agent, approves what it asks',
  );
};

// An address in a commit is what somebody typed. The signature says who made it; no known signature, no known author (C4).
const forgedAuthor = async (stage: Stage): Promise<void> => {
  const { steps, actors, organisation, repository } = stage;
  const before = repository.git('rev-parse', 'HEAD');
  const strange = makeVersion(stage, 'linus', '<p>Signed by nobody we know.</p>', 'stranger');
  steps.refused(
    'forged-author',
    await actors.ask('ada', deployment(strange, 'hidden author')),
    'producer-unknown',
    'a commit that says it is by Linus, signed by a stranger',
  );
  repository.git('reset', '--quiet', '--hard', before);
  const posing = makeVersion(stage, 'linus', '<p>Ada, posing as Linus.</p>', 'ada');
  const asked = must('posing', await actors.ask('ada', deployment(posing, 'posing')));
  const opened = must('case', await openVerifiedCase(await actors.client('grace'), asked.request));
  const authors = opened.change.facts['authors']?.value as readonly string[];
  steps.note(
    'posing-author',
    authors.includes(organisation.idOf('ada')) && !authors.includes(organisation.idOf('linus')),
    'a commit that says it is by Linus, signed by Ada, counts as hers',
  );
  repository.git('reset', '--quiet', '--hard', before);
};

// A vote holds for the request, revision and digest that were signed, and nothing else (T6).
const copiedVote = async ({ steps, actors }: Stage, version: Version, id: string): Promise<void> => {
  const other = must('another request', await actors.ask('ada', deployment(version, 'the same once more')));
  const signed = must('a vote', await actors.signVote('linus', id));
  const client = await actors.client('linus');
  const sent = await client.post(
    `/v1/requests/${other.request}/votes`,
    { envelope: signed },
    { idempotencyKey: randomUUID() },
  );
  steps.refused('copied-vote', sent, 'vote-wrong-request', 'a vote for one request, sent to another');
};
