// SPDX-License-Identifier: Apache-2.0
// Which rules hold, and what they rest on: facts that somebody types, vouches for, hides or forges.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { formatOpenSshPrivateKey } from '../../src/crypto/openssh-private-key.ts';
import type { JsonObject, JsonValue } from '../../src/kernel/refusal.ts';
import type { CompiledAction, CompiledPolicy } from '../../src/policy/compiled.ts';
import { deployAction, fingerprintOf, keyOf, personOf, policyOf, tier } from '../support/world.ts';
import { digestOf } from '../../src/crypto/digest.ts';
import { encodeBase64 } from '../../src/kernel/base64.ts';
import { found, serveFolder, startRunning, subjectIn, type Running } from '../server/running.ts';
import { GitRepository } from '../adapters/git-repository.ts';
import { runCli } from '../cli/run-cli.ts';
import { changeRoster, headOf, oneSeatAction, recordOf, refused, twoSeats, worked } from './stage.ts';

const risky = (
  name: string,
  points: number,
  value: JsonValue,
  operator: string,
): CompiledAction['risk']['add'][number] => ({
  points,
  when: {
    op: 'call',
    function: operator,
    arguments: [
      { op: 'fact', name },
      { op: 'literal', value },
    ],
  },
});
const tiers = [tier(), twoSeats({ name: 'strict', from_score: 50 })];
const riskAction = (over: Partial<CompiledAction> = {}): CompiledAction =>
  deployAction({ tiers, risk: { start: 0, add: [risky('risk', 60, 50, '>')], never_below: [] }, ...over });

let running: Running;
before(async () => {
  running = await startRunning({ policy: policyOf(riskAction()) });
});
after(() => running.close());

const submit = async (over: JsonObject = {}, by = 'ada', extra: object = {}) =>
  running.post<{ request: string; tier: string }>('/v1/requests', { ...running.requestBody(over, by), ...extra });

test('A32: a fact that the requester types never lowers the bar', async () => {
  for (const risk of [0, 10, 100])
    assert.equal(worked(await submit({ facts: { service: 'shop', risk } })).tier, 'strict');
  for (const risk of [-1, 101, '0', null, true, 1e300, [], {}])
    refused(await submit({ facts: { service: 'shop', risk } as JsonObject }), 'fact-mistyped', 'json-unsafe-number');
});

test('A28 C8: what no policy names cannot be asked for, and leaving out what the gate hangs on opens nothing', async () => {
  for (const action of [
    'deploy',
    'deploy.production.x',
    'deploy.staging',
    'constructor',
    'governance',
    'governance.keys',
    'to-string',
  ])
    refused(await submit({ action }), 'action-unknown');
  for (const action of [
    '',
    '*',
    'deploy.*',
    'DEPLOY.PRODUCTION',
    'deploy.production ',
    '__proto__',
    'deploy..production',
  ])
    refused(await submit({ action }), 'shape-mismatch');
  refused(await submit({ facts: { service: 'shop' } }), 'fact-missing');
  refused(await submit({ facts: {} }), 'fact-missing');
  refused(await submit({ facts: { service: 'shop', risk: 1, constructor: 1 } }), 'fact-unexpected');
  refused(await submit({ facts: { service: 'shop', risk: 1, tested: true } }), 'fact-unexpected');
  refused(await submit({}, 'ada', { attested: [] }), 'fact-unattested');
  refused(await submit({ audience: null }), 'audience-unknown');
  refused(await submit({ executor: null }), 'executor-not-allowed');
  refused(await submit({}, 'vint'), 'ask-not-allowed');
  refused(await submit({}, 'deployer'), 'ask-not-allowed');
});

const trial = join(import.meta.dirname, '../../examples/trial');

test('A27 A30 C9 C14: a policy with two documents of one action, or with a word that is not understood whole, is refused at load', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-policy-'));
  const lint = async () => runCli(['policy', 'lint', join(folder, 'policy'), '--roster', join(folder, 'roster.yaml')]);
  try {
    cpSync(trial, folder, { recursive: true });
    for (const [, name = ''] of readFileSync(join(folder, 'roster.yaml'), 'utf8').matchAll(/file: ([a-z-]+)\.pub/g))
      writeFileSync(join(folder, `${name}.pub`), `${keyOf(name).public.line}\n`);
    const good = await lint();
    assert.equal(good.code, 0, good.stderr);
    const document = readFileSync(join(folder, 'policy', 'deploy-production.yaml'), 'utf8');
    const when = 'facts.migrations > 0';
    const edits: readonly (readonly [string, string, RegExp])[] = [
      ['again', document, /policy-action-twice/],
      ['nothing', document.replace(when, 'facts.nothing > 3'), /policy-fact-unknown/],
      ['cut', document.replace(when, 'facts.migrations >'), /policy-condition-malformed/],
      ['number', document.replace(when, 'facts.migrations'), /policy-condition-type/],
      ['pattern', document.replace(when, "facts.service.matches('(((')"), /policy-condition/],
      ['bypass', `${document}bypass: [group:founders]\n`, /`bypass`/],
      ['self', `${document}self-approval: true\n`, /`self-approval`/],
      ['twice', document.replace('review: all', 'review: all\n    review: 0%'), /policy-yaml/],
    ];
    for (const [name, text] of edits)
      writeFileSync(
        join(folder, 'policy', `${name}.yaml`),
        name === 'again'
          ? text
          : text.replace('deploy.production', `deploy.${name}`).replace('production/', `${name}/`),
      );
    const bad = await lint();
    assert.notEqual(bad.code, 0);
    for (const [name, , said] of edits) assert.match(bad.stdout + bad.stderr, said, name);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('A33 C30: what is vouched for by the requester, for another request, action or fact, or by a stranger, is no fact', async () => {
  const ask = async (attest: (subject: string) => readonly object[], by = 'ada', over: JsonObject = {}) => {
    const body = running.requestBody(over, by);
    return running.post('/v1/requests', { ...body, attested: attest(subjectIn(body)) });
  };
  refused(await ask((subject) => [running.attest('tested', true, subject, 'grace')], 'grace'), 'fact-unattested');
  refused(
    await ask((subject) => [running.attest('tested', true, subject, 'grace')], 'ada', { drivers: [personOf('grace')] }),
    'fact-unattested',
  );
  refused(await ask((subject) => [running.attest('tested', true, subject, 'linus')]), 'fact-unattested');
  refused(await ask((subject) => [running.attest('risk', 0, subject)]), 'fact-unattested');
  refused(await ask(() => [running.attest('tested', true, digestOf('another draft'))]), 'fact-unattested');
  refused(await ask((subject) => [running.attest('tested', 'yes', subject)]), 'fact-mistyped');
  refused(
    await ask((subject) => [
      { ...running.attest('tested', true, subject), signature: running.attest('tested', false, subject).signature },
    ]),
    'signature-invalid',
  );
  refused(
    await ask((subject) => [running.attest('tested', true, subject, 'stranger')]),
    'key-unknown',
    'key-of-another',
  );
});

test('A42 F5: what was attested for one request serves no second one, whoever asks with the same nonce', async () => {
  const server = await startRunning({ policy: policyOf(oneSeatAction()) });
  try {
    const body = server.requestBody();
    worked(await server.post('/v1/requests', body));
    const { nonce } = JSON.parse(body.envelope.statement) as { nonce: string };
    for (const [by, over] of [
      ['ada', { facts: { service: 'till', risk: 1 } }],
      ['bob', {}],
      ['ci', {}],
    ] as const) {
      const { envelope, reason } = server.requestBody({ ...over, nonce }, by);
      refused(
        await server.post('/v1/requests', { envelope, reason, attested: body['attested'] }),
        'statement-replayed',
        'fact-unattested',
      );
    }
  } finally {
    await server.close();
  }
});

test('A36 A42: what was attested for a draft holds for its facts and content, and no others under the same nonce', async () => {
  const server = await startRunning({ policy: policyOf(oneSeatAction()) });
  try {
    const body = server.requestBody();
    const { nonce } = JSON.parse(body.envelope.statement) as { nonce: string };
    const plan = 'another plan';
    for (const over of [
      { facts: { service: 'till', risk: 10 } },
      { facts: { service: 'shop', risk: 1 } },
      { content: digestOf(plan) },
    ]) {
      const { envelope, reason } = server.requestBody({ ...over, nonce });
      const attachments = { [digestOf(plan)]: encodeBase64(Buffer.from(plan)) };
      const swapped = { envelope, reason, attested: body['attested'], attachments };
      refused(await server.post('/v1/requests', swapped), 'fact-unattested');
    }
    worked(await server.post('/v1/requests', body));
  } finally {
    await server.close();
  }
});

test('C12 A35: a target is made of plain names: no value climbs out of its place or looks like another', async () => {
  for (const service of [
    '../root',
    'a/b',
    '',
    '.',
    '..',
    'shop ',
    'Shop',
    'sh\u200bop',
    'ѕhop',
    '-rf',
    '%2e%2e',
    'a\u0000b',
    'x'.repeat(200),
    ['shop'],
    { a: 1 },
  ])
    refused(await submit({ facts: { service, risk: 1 } as JsonObject }), 'fact-mistyped', 'target-malformed');
  for (const audience of ['WEB', 'web ', '../web', 'web\u200b', 'nowhere'])
    refused(await submit({ audience }), 'audience-unknown', 'shape-mismatch');
  for (const executor of [fingerprintOf('stranger'), fingerprintOf('ada'), fingerprintOf('ci')])
    refused(await submit({ executor }), 'executor-not-allowed');
});

const authored: CompiledPolicy = policyOf(
  oneSeatAction({
    made_by: ['requester', 'facts.authors'],
    facts: {
      service: { type: 'name', source: { kind: 'requester' }, max: null },
      commit: { type: 'commit', source: { kind: 'requester' }, max: null },
      authors: { type: 'list<person>', source: { kind: 'adapter', adapter: 'git', argument: 'commit' }, max: null },
    },
  }),
);

test('A31 C26 C32: a source of facts that is missing or fails lets nothing through', async () => {
  const blind = await startRunning({ policy: authored });
  try {
    const head = await headOf(blind);
    const facts = { service: 'shop', commit: 'a'.repeat(40) };
    refused(await blind.post('/v1/requests', blind.requestBody({ facts })), 'fact-source-failed');
    assert.equal(await headOf(blind), head);
  } finally {
    await blind.close();
  }
});

test('C4 C5 C16 C27 C28 A22: authors come from signatures in real git history: forged, unsigned, merged and hidden commits clear nobody', async () => {
  const repository = new GitRepository();
  const { dir, token, pin } = await found({ policy: authored });
  writeFileSync(
    join(dir, 'countersign.yaml'),
    `git: {repository: ${JSON.stringify(repository.path)}, base: refs/heads/main}\n`,
  );
  const keyFile = (name: string): string => {
    const file = join(repository.dir, `${name}.key`);
    writeFileSync(file, formatOpenSshPrivateKey(keyOf(name), name), { mode: 0o600 });
    return file;
  };
  const commit = (signer: string | null, author = signer ?? 'nobody', more: readonly string[] = []): string => {
    const signing =
      signer === null
        ? ['-c', 'commit.gpgsign=false']
        : ['-c', 'gpg.format=ssh', '-c', `user.signingkey=${keyFile(signer)}`, '-c', 'commit.gpgsign=true'];
    const as = {
      GIT_AUTHOR_NAME: author,
      GIT_AUTHOR_EMAIL: `${author}@example.org`,
      GIT_COMMITTER_NAME: author,
      GIT_COMMITTER_EMAIL: `${author}@example.org`,
    };
    repository.git([...signing, 'commit', '--quiet', '--allow-empty', '-m', `By ${author}`, ...more], as);
    return repository.head();
  };
  const onBranch = (from: string, work: () => string): string => {
    repository.git(['checkout', '--quiet', '--detach', from]);
    return work();
  };
  const base = commit('ada');
  const server = await serveFolder(dir, token, pin);
  const ask = async (id: JsonValue, by = 'bob') =>
    server.post<{ request: string }>('/v1/requests', {
      ...server.requestBody({ facts: { service: 'shop', commit: id } }, by),
      attested: [],
    });
  const producers = async (id: string): Promise<unknown> => {
    const { request } = worked(await ask(id));
    return (JSON.parse((await server.show(request)).change_text) as { producers: unknown }).producers;
  };
  try {
    const posing = onBranch(base, () => commit('grace', 'linus'));
    assert.deepEqual(await producers(posing), ['bob', 'grace'].map(personOf), 'the signature counts, not the address');
    const asked = worked(await ask(posing));
    refused(await server.vote(asked.request, 'grace'), 'vote-by-producer');
    worked(await server.vote(asked.request, 'linus'));
    refused(await ask(onBranch(base, () => commit(null, 'linus'))), 'producer-unknown');
    refused(await ask(onBranch(base, () => commit('stranger', 'linus'))), 'producer-unknown');
    refused(await ask(onBranch(base, () => commit('agent', 'linus'))), 'producer-unknown');
    const hidden = onBranch(base, () => {
      commit('stranger', 'ada');
      return commit('grace');
    });
    refused(await ask(hidden), 'producer-unknown');
    const side = onBranch(base, () => commit('linus'));
    const merged = onBranch(posing, () => {
      repository.git(['-c', 'commit.gpgsign=false', 'merge', '--quiet', '--no-ff', '--no-commit', side]);
      return commit('ada');
    });
    assert.deepEqual(
      await producers(merged),
      ['ada', 'bob', 'grace', 'linus'].map(personOf),
      'both sides of a merge count',
    );
    const transplanted = execFileSync('git', ['-C', repository.path, 'cat-file', 'commit', side], {
      env: repository.env(),
    })
      .toString('utf8')
      .replace('By linus', 'By linus, and more');
    const forged = execFileSync(
      'git',
      ['-C', repository.path, 'hash-object', '-t', 'commit', '-w', '--stdin', '--literally'],
      {
        env: repository.env(),
        input: transplanted,
      },
    )
      .toString('utf8')
      .trim();
    refused(await ask(forged), 'producer-unknown');
    repository.git(['tag', 'deadbeef', side]);
    for (const name of [
      'main',
      'HEAD',
      'refs/heads/main',
      side.slice(0, 10),
      `${side} `,
      side.toUpperCase(),
      '--all',
      `${side}^`,
    ])
      refused(await ask(name), 'fact-mistyped', 'fact-source-failed', 'shape-mismatch', 'git-evidence-incomplete');
    refused(await ask(base), 'git-evidence-incomplete');
    refused(await ask('f'.repeat(40)), 'git-evidence-incomplete', 'fact-source-failed');
    const stolen = worked(await ask(posing));
    worked(await server.vote(stolen.request, 'linus'));
    await changeRoster(server, await recordOf(server, `key/${fingerprintOf('grace')}`, { status: 'revoked' }), {
      by: 'vint',
    });
    refused(await server.permit(stolen.request), 'key-unknown', 'request-refused');
    refused(await ask(posing), 'producer-unknown');
    await changeRoster(server, await recordOf(server, `key/${fingerprintOf('linus')}`, { distrusted_from: 1 }), {
      by: 'vint',
    });
    refused(await ask(side), 'producer-unknown');
  } finally {
    await server.close();
    repository.remove();
  }
});
