// SPDX-License-Identifier: Apache-2.0
// Facts that the server brings from a real repository and real files, over HTTP: who wrote it decides nothing of it.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { digestOf } from '../../src/crypto/digest.ts';
import { formatOpenSshPrivateKey } from '../../src/crypto/openssh-private-key.ts';
import type { CompiledFact } from '../../src/policy/compiled.ts';
import { GitRepository } from '../adapters/git-repository.ts';
import { deployAction, keyOf, personOf, policyOf } from '../support/world.ts';
import { found, serveFolder, stopAll, type Running } from './running.ts';

let repository: GitRepository;
let running: Running;
let base: string;

const fact = (type: CompiledFact['type'], source: CompiledFact['source']): CompiledFact => ({
  type,
  source,
  max: null,
});
const requester = { kind: 'requester' } as const;

before(async () => {
  repository = new GitRepository();
  for (const name of ['bob', 'linus', 'stranger']) {
    const key = keyOf(name);
    repository.useKey(name, formatOpenSshPrivateKey(key, name), key.public.line);
  }
  base = repository.commit('bob');
  const policy = policyOf(
    deployAction({
      made_by: ['requester', 'facts.authors'],
      facts: {
        service: fact('name', requester),
        commit: fact('commit', requester),
        place: fact('path', requester),
        authors: fact('list<person>', { kind: 'adapter', adapter: 'git', argument: 'commit' }),
        artefact: fact('digest', { kind: 'adapter', adapter: 'file-digest', argument: 'place' }),
      },
    }),
  );
  const { dir, token, pin } = await found({ policy });
  mkdirSync(join(dir, 'builds'));
  writeFileSync(join(dir, 'builds', 'shop.tar'), 'built');
  writeFileSync(
    join(dir, 'countersign.yaml'),
    `git: {repository: ${repository.path}, base: refs/heads/main}\nfiles: {root: builds}\n`,
  );
  running = await serveFolder(dir, token, pin);
});
after(async () => {
  await stopAll();
  await running.close();
  repository.remove();
});

const onBranch = (name: string, signer: string | null): string => {
  repository.git(['checkout', '--quiet', '-b', name, base]);
  const head = repository.commit(signer);
  repository.git(['checkout', '--quiet', 'main']);
  return head;
};
const body = (commit: string, place = 'shop.tar') => {
  const { envelope, reason } = running.requestBody({ facts: { service: 'shop', commit, place } });
  return { envelope, reason };
};

test('whoever signed a commit is a producer, and their own vote is refused (INV1)', async () => {
  const asked = await running.post<{ request: string }>('/v1/requests', body(onBranch('by-linus', 'linus')));
  assert.equal(asked.status, 201, JSON.stringify(asked.body));
  const view = await running.show(asked.body.request);
  const change = JSON.parse(view.change_text) as {
    producers: string[];
    facts: Record<string, { value: unknown; vouched: string }>;
    from_state: { authors: { base: string } };
  };
  assert.deepEqual(change.producers, [personOf('ada'), personOf('linus')]);
  assert.deepEqual(change.facts['artefact'], {
    ...change.facts['artefact'],
    value: digestOf('built'),
    vouched: 'adapter',
  });
  assert.equal(change.from_state.authors.base, base);
  const own = await running.vote(asked.body.request, 'linus');
  assert.deepEqual([own.status, own.body.code], [403, 'vote-by-producer']);
  assert.equal((await running.vote(asked.body.request, 'grace')).status, 201);
});

test('a commit that nobody here signed refuses the request (C4)', async () => {
  for (const [name, signer] of [
    ['unsigned', null],
    ['strange', 'stranger'],
  ] as const) {
    const answer = await running.post('/v1/requests', body(onBranch(name, signer)));
    assert.deepEqual([answer.status, answer.body.code], [403, 'producer-unknown']);
  }
});

test('an adapter that cannot answer says why, and nothing is recorded', async () => {
  const { size } = await running.info();
  const gone = await running.post('/v1/requests', body('0'.repeat(40)));
  assert.deepEqual([gone.status, gone.body.code], [422, 'git-evidence-incomplete']);
  const file = await running.post('/v1/requests', body(onBranch('again', 'bob'), 'none.tar'));
  assert.deepEqual([file.status, file.body.code], [503, 'fact-source-failed']);
  assert.equal((await running.info()).size, size);
});
