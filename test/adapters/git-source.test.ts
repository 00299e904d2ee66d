// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gitSource } from '../../src/adapters/git/git-source.ts';
import type { JsonValue } from '../../src/kernel/refusal.ts';
import { attributeCommits } from '../../src/request/attribution.ts';
import { decodeCommitEvidence } from '../../src/request/commit-evidence.ts';
import { GitRepository } from './git-repository.ts';

let repository: GitRepository;
let base: string;
before(() => {
  repository = new GitRepository();
  base = repository.commit('ada');
});
after(() => repository.remove());

const ask = (value: JsonValue, from: string | null = 'refs/heads/main', path = repository.path) =>
  gitSource({ repository: path, base: from }).gather({
    action: 'deploy.production',
    fact: 'authors',
    argument: 'commit',
    value,
  });

const persons = (): ReadonlyMap<string, string> =>
  new Map(['ada', 'bob', 'eve'].map((name) => [repository.key(name), `p_${name}0`]));

/** Authors of a commit as the core makes them out from what the adapter brings. */
const authorsOf = async (value: string, from: string | null = 'refs/heads/main'): Promise<readonly string[]> => {
  const answer = await ask(value, from);
  assert.ok(answer.ok, answer.ok ? '' : answer.refusal.message);
  assert.equal(answer.value.value, null, 'the adapter itself says nothing of authors');
  const evidence = decodeCommitEvidence(answer.value.evidence ?? new Uint8Array());
  assert.ok(evidence.ok, evidence.ok ? '' : evidence.refusal.message);
  const known = persons();
  const attributed = attributeCommits({ ...evidence.value, personOfKey: (print) => known.get(print) });
  assert.ok(attributed.ok, attributed.ok ? '' : attributed.refusal.message);
  return attributed.value.authors;
};

const refused = async (value: JsonValue, code: string, from?: string | null, path?: string): Promise<void> => {
  const answer = await ask(value, from, path);
  assert.ok(!answer.ok, `expected ${code}`);
  assert.equal(answer.refusal.code, code, answer.refusal.message);
  assert.ok((answer.refusal.help ?? '').length > 10, 'it says what to do');
};

/** On a branch of its own, so that `main` stays at `base`. */
const onBranch = <T>(name: string, from: string, work: () => T): T => {
  repository.git(['checkout', '--quiet', '-b', name, from]);
  try {
    return work();
  } finally {
    repository.git(['checkout', '--quiet', 'main']);
  }
};

test('authors are whose rostered keys signed, one for each commit between base and head (G3)', async () => {
  const head = onBranch('two', base, () => {
    repository.commit('ada');
    return repository.commit('bob');
  });
  assert.deepEqual(await authorsOf(head), ['p_ada0', 'p_bob0']);
  const answer = await ask(head);
  assert.ok(answer.ok);
  assert.deepEqual(answer.value.detail, { base });
});

test('a forged author clears nobody: the signature counts, not the name in the commit (C4)', async () => {
  const head = onBranch('forged', base, () =>
    repository.commit('eve', { GIT_AUTHOR_NAME: 'Ada', GIT_AUTHOR_EMAIL: 'ada@example.org' }),
  );
  assert.deepEqual(await authorsOf(head), ['p_eve0']);
});

test('unsigned, and signed by a key that nobody here has, is unknown', async () => {
  const unsigned = onBranch('unsigned', base, () => repository.commit(null));
  assert.deepEqual(await authorsOf(unsigned), ['unknown']);
  const stranger = onBranch('stranger', base, () => repository.commit('stranger'));
  assert.deepEqual(await authorsOf(stranger), ['unknown']);
});

test('a merge brings the authors of the merged branch, and who merged', async () => {
  const head = onBranch('merging', base, () => {
    repository.commit('ada');
    repository.git(['checkout', '--quiet', '-b', 'merged', base]);
    repository.commit('bob');
    repository.git(['checkout', '--quiet', 'merging']);
    repository.key('eve');
    repository.git([
      '-c',
      'gpg.format=ssh',
      '-c',
      `user.signingkey=${join(repository.dir, 'eve')}`,
      'merge',
      '--quiet',
      '--no-ff',
      '-S',
      '-m',
      'Merge',
      'merged',
    ]);
    return repository.head();
  });
  assert.deepEqual(await authorsOf(head), ['p_ada0', 'p_bob0', 'p_eve0']);
});

test('a side branch that left before base is followed to where it left, and no further (G2)', async () => {
  const main = new GitRepository();
  try {
    const fork = main.commit(null);
    main.commit(null);
    const head = ((): string => {
      main.git(['checkout', '--quiet', '-b', 'old', fork]);
      return main.commit('ada');
    })();
    const answer = await gitSource({ repository: main.path, base: 'refs/heads/main' }).gather({
      action: 'a',
      fact: 'authors',
      argument: 'commit',
      value: head,
    });
    assert.ok(answer.ok, answer.ok ? '' : answer.refusal.message);
    const evidence = decodeCommitEvidence(answer.value.evidence ?? new Uint8Array());
    assert.ok(evidence.ok);
    assert.equal(evidence.value.commits.length, 1);
    assert.equal(evidence.value.ancestry.length, 1, 'base alone shows that the fork came before it');
    const print = main.key('ada');
    const attributed = attributeCommits({
      ...evidence.value,
      personOfKey: (key) => (key === print ? 'p_ada0' : undefined),
    });
    assert.deepEqual(attributed.ok && attributed.value.authors, ['p_ada0']);
  } finally {
    main.remove();
  }
});

test('without a base everything from the first commit on counts', async () => {
  assert.deepEqual(await authorsOf(base, null), ['p_ada0']);
});

test('SHA-256 repositories are read as well', async () => {
  const other = new GitRepository('--object-format=sha256');
  try {
    const head = other.commit('ada');
    const answer = await gitSource({ repository: other.path, base: null }).gather({
      action: 'a',
      fact: 'authors',
      argument: 'commit',
      value: head,
    });
    assert.ok(answer.ok && decodeCommitEvidence(answer.value.evidence ?? new Uint8Array()).ok);
  } finally {
    other.remove();
  }
});

test('names, short ids and options are no commit ids (C16)', async () => {
  for (const value of ['main', 'HEAD', base.slice(0, 12), '--all', `${base}^`, base.toUpperCase(), 7, null])
    await refused(value, 'fact-mistyped');
});

test('a commit that is not there, one in place already, and the id of a tag are refused', async () => {
  await refused('0'.repeat(40), 'git-evidence-incomplete');
  await refused(base, 'git-evidence-incomplete');
  repository.git(['tag', '-a', '-m', 'A tag', 'v1', base]);
  await refused(repository.git(['rev-parse', 'v1']), 'git-evidence-incomplete');
});

test('a shallow clone is refused (C5)', async () => {
  const clone = join(repository.dir, 'shallow');
  onBranch('deep', base, () => repository.commit('ada'));
  execFileSync('git', ['clone', '--quiet', '--depth=1', '--branch=deep', `file://${repository.path}`, clone], {
    env: repository.env(),
    stdio: 'ignore',
  });
  const head = execFileSync('git', ['-C', clone, 'rev-parse', 'HEAD'], { env: repository.env() }).toString().trim();
  await refused(head, 'git-evidence-incomplete', null, clone);
});

test('a replaced commit is read as it was written, not as it was replaced', async () => {
  const [real, fake] = onBranch('replaced', base, () => {
    const one = repository.commit('eve');
    repository.git(['checkout', '--quiet', '-b', 'fake', base]);
    return [one, repository.commit('ada', {}, ['--allow-empty', '--no-edit'])] as const;
  });
  repository.git(['replace', real, fake]);
  try {
    assert.deepEqual(await authorsOf(real), ['p_eve0']);
  } finally {
    repository.git(['replace', '-d', real]);
  }
});

test('a repository that is none, or has not that base, says so', async () => {
  await refused('1'.repeat(40), 'fact-source-failed', null, join(repository.dir, 'nowhere'));
  const head = onBranch('lost', base, () => repository.commit('ada'));
  await refused(head, 'fact-source-failed', 'refs/heads/release');
});

test('more than 500 commits are refused, not cut short', async () => {
  const head = onBranch('many', base, () => {
    const stream = Array.from(
      { length: 501 },
      (_, at) =>
        `commit refs/heads/many\ncommitter A <a@example.org> ${1_700_000_000 + at} +0000\ndata 1\nx\n${at === 0 ? `from ${base}\n` : ''}\n`,
    ).join('');
    execFileSync('git', ['-C', repository.path, 'fast-import', '--quiet', '--force'], {
      env: repository.env(),
      input: stream,
    });
    return repository.git(['rev-parse', 'refs/heads/many']);
  });
  await refused(head, 'git-evidence-incomplete');
});
