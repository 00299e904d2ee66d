// SPDX-License-Identifier: Apache-2.0
// Roster and policy change by requests from the first day, for everybody (INV8).
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { makeKey } from './sample-organisation.ts';
import { runCli, startCli } from './run-cli.ts';
import { serveTrial, type ServedTrial } from './served-trial.ts';

let trial: ServedTrial;
before(async () => {
  trial = await serveTrial();
});
after(async () => {
  assert.equal(await trial.stop(), 0);
});

const possession = async (name: string, ...more: readonly string[]) => {
  const { org, pin } = trial;
  const [key, out] = [join(org.folder, name), join(org.folder, `${name}.possession.json`)];
  makeKey(key);
  const proved = await runCli(['roster', 'possession', '--key', key, '--pin', pin, '--out', out, '--json', ...more]);
  assert.equal(proved.code, 0, proved.stderr);
  const { holder, words } = JSON.parse(proved.stdout) as { readonly holder: string; readonly words: readonly string[] };
  assert.equal(words.length, 6);
  return { key, out, holder, words: words.join(' ') };
};

test('O8, INV8: a new person proves their key, two founders approve, and only then they are there', async () => {
  const { out, holder, words } = await possession('lin');
  const id = holder.replace('person:', '');
  const asked = await trial.as('ada', [
    'roster',
    'propose',
    '--add-person',
    `${id},team=dev`,
    '--possession',
    out,
    '--join',
    `developers=${id}`,
    '--reason',
    'Joins the team',
    '--json',
  ]);
  assert.equal(asked.code, 0, asked.stderr);
  assert.match(asked.stderr, new RegExp(`person/${id} added: `));
  assert.ok(asked.stderr.includes(`enrolled for ${holder} (six words: ${words})`), asked.stderr);
  const { request } = JSON.parse(asked.stdout) as { readonly request: string };
  const early = await trial.as('ada', ['activate', request]);
  assert.equal(early.code, 8, 'nobody has approved it yet');
  const watching = startCli(
    ['watch', request, '--server', trial.url, '--pin', trial.pin, '--key', trial.org.key('ada'), '--allow-trial'],
    { env: { COUNTERSIGN_HOME: join(trial.org.folder, 'homes', 'ada') } },
  );
  const ended = new Promise<number | null>((resolve) => watching.on('close', resolve));
  await Promise.race([
    new Promise((seen) => watching.stdout.once('data', seen)),
    new Promise((seen) => watching.stderr.once('data', seen)),
  ]);
  watching.kill('SIGINT');
  assert.equal(await ended, 130, 'Ctrl-C ends a verb that waits');
  const approved = await trial.approve('grace', request);
  const [first = '', whole = ''] = approved.stderr.split('Every value of');
  assert.ok(first.includes(`key/`) && first.includes(`enrolled for ${holder} (six words: ${words})`), first);
  assert.match(first, new RegExp(`group/developers \\+ "${id}"`), 'what changes comes first');
  assert.match(whole, new RegExp(`Content [^]*person/${id}`), 'and all of it as before');
  assert.match(first, /person:p_\w+ \(the server calls them Ada Lovelace\) asks for governance\.roster/);
  await trial.approve('radia', request);
  const before = JSON.parse((await trial.as('ada', ['roster', 'show', '--json'])).stdout) as { version: number };
  const activated = await trial.as('ada', ['activate', request]);
  assert.equal(activated.code, 0, activated.stderr);
  const shown = JSON.parse((await trial.as('ada', ['roster', 'show', '--json'])).stdout) as {
    readonly version: number;
    readonly records: { readonly [key: string]: { readonly members?: readonly string[] } };
  };
  assert.equal(shown.version, before.version + 1);
  assert.ok(shown.records['group/developers']?.members?.includes(id));
  const human = await trial.as('ada', ['roster', 'show']);
  assert.match(human.stdout, new RegExp(`person +${id}: .*status active`));
});

test('O5–O8: a change that the ledger would refuse is refused before anybody is asked', async () => {
  const nothing = await trial.as('ada', ['roster', 'propose', '--reason', 'none']);
  assert.equal(nothing.code, 2);
  assert.match(nothing.stderr, /nothing would change/);
  const stranger = await trial.as('ada', ['roster', 'propose', '--join', 'platform=p_nobody', '--reason', 'x']);
  assert.match(stranger.stderr, /error\[roster-dangling\]/);
  const erased = await trial.as('ada', ['roster', 'propose', '--remove', 'person/p_nobody', '--reason', 'x']);
  assert.match(erased.stderr, /error\[roster-not-removable\]/);
  const { out } = await possession('elsewhere', '--holder', 'person:p_somebody0');
  const other = JSON.parse(readFileSync(out, 'utf8')) as { statement: string };
  writeFileSync(out, JSON.stringify({ ...other, statement: other.statement.replace('p_somebody0', 'p_somebody1') }));
  const forged = await trial.as('ada', ['roster', 'propose', '--possession', out, '--reason', 'x']);
  assert.match(forged.stderr, /error\[signature-invalid\]/);
  const file = join(trial.org.folder, 'set.json');
  writeFileSync(file, '{"group/new":{"members":[]},"group/new":{"members":[]}}');
  const twice = await trial.as('ada', ['roster', 'propose', '--set', file, '--reason', 'x']);
  assert.match(twice.stderr, /error\[json-duplicate-key\]/);
});

test('people, machines, keys and groups change by short forms; what is set twice is refused', async () => {
  const { records } = JSON.parse((await trial.as('ada', ['roster', 'show', '--json'])).stdout) as {
    readonly records: { readonly [key: string]: unknown };
  };
  const { people } = JSON.parse((await trial.as('ada', ['roster', 'show', '--json'])).stdout) as {
    readonly people: { readonly [id: string]: string };
  };
  const [grace = ''] = Object.entries(people).find(([, name]) => name === 'Grace Hopper') ?? [];
  const key =
    Object.keys(records)
      .find((one) => one.startsWith('key/'))
      ?.slice('key/'.length) ?? '';
  const out = join(trial.org.folder, 'short.json');
  const propose = (...args: readonly string[]) =>
    trial.as('ada', [
      'roster',
      'propose',
      '--out',
      join(trial.org.folder, `${args.length}-${args.at(-1)?.slice(-6)}.json`),
      ...args,
    ]);
  const draft = ['roster', 'propose', '--out', out];
  const changes = ['--suspend', `person:${grace}`, '--distrust-key', `${key}=3`];
  const machine = ['--add-machine', `ci,accountable=${grace},purpose=builds, and deploys`];
  const drafted = await trial.as('ada', [...draft, ...changes, ...machine]);
  assert.equal(drafted.code, 0, drafted.stderr);
  assert.match(drafted.stderr, new RegExp(`person/${grace}\\.status "active" → "suspended"`));
  assert.match(drafted.stderr, /key\/SHA256:\S+\.distrusted_from null → 3/);
  assert.match(
    drafted.stderr,
    /machine\/ci added: \{"status":"active","accountable":"p_\w+","purpose":"builds, and deploys"\}/,
  );
  for (const wrong of [
    ['--add-machine', 'ci'],
    ['--distrust-key', key],
    ['--distrust-key', `${key}=-1`],
  ])
    assert.equal((await propose(...wrong)).code, 2);
  const [one, two] = ['one.json', 'two.json'].map((name) => join(trial.org.folder, name)) as [string, string];
  writeFileSync(one, `{"group/new":{"members":["${grace}"]}}`);
  writeFileSync(two, `{"group/newer":{"members":["${grace}"]}}`);
  const merged = await propose('--set', one, '--set', two);
  assert.match(merged.stderr, /group\/new added[^]*group\/newer added/);
  writeFileSync(two, `{"group/new":{"members":[]}}`);
  const twice = await propose('--set', one, '--set', two);
  assert.equal(twice.code, 2);
  assert.match(twice.stderr, /`group\/new` is set twice/);
});

const git = (folder: string, ...args: readonly string[]): string =>
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '', GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null' },
  });

test('G34, INV8: policy is proposed from a clean commit, approved by two, and in force only then', async () => {
  const folder = join(trial.org.folder, 'policy-repository');
  cpSync(trial.org.policy, folder, { recursive: true });
  git(folder, 'init', '-q');
  git(folder, 'add', '.');
  git(folder, 'commit', '-qm', 'as founded');
  const file = join(folder, 'release.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace('1 of group:platform', '2 of group:platform'));
  const out = join(trial.org.folder, 'change.json');
  const dirty = await trial.as('ada', ['policy', 'propose', folder, '--out', out]);
  assert.equal(dirty.code, 0, dirty.stderr);
  assert.match(dirty.stderr, /warning: the documents are not exactly as in a git commit/);
  assert.match(dirty.stderr, /release\.notes\.tiers\.standard\.seats\.platform\.count 1 → 2/);
  assert.ok(readFileSync(out, 'utf8').includes('"commit":null'));

  git(folder, 'commit', '-qam', 'two people for notes');
  const commit = git(folder, 'rev-parse', 'HEAD').trim();
  const linted = await runCli(['policy', 'lint', folder]);
  const [digest] = /sha256:[0-9a-f]{64}/.exec(linted.stderr) ?? [''];
  assert.ok(linted.stderr.includes(`${digest} from git:${commit}`), linted.stderr);
  const asked = await trial.as('ada', ['policy', 'propose', folder, '--reason', 'Two people', '--json']);
  assert.equal(asked.code, 0, asked.stderr);
  const { request } = JSON.parse(asked.stdout) as { readonly request: string };
  assert.match(asked.stderr, /Asked: req_/);
  const approved = await trial.approve('grace', request);
  assert.match(
    approved.stderr,
    /What changes, [^\n]*\n {2}commit null → "git:\w+"\n {2}release\.notes\.tiers\.standard\.seats\.platform\.count 1 → 2\n/,
  );
  await trial.approve('radia', request);
  const human = await trial.as('ada', ['policy', 'show']);
  assert.match(human.stdout, /Policy version 1/);
  assert.equal((await trial.as('radia', ['activate', request])).code, 0);
  const shown = await trial.as('ada', ['policy', 'show']);
  assert.ok(shown.stdout.includes(digest), 'lint named the digest that is proposed');
  assert.match(shown.stdout, new RegExp(`Policy version 2, sha256:[0-9a-f]{64}, from git:${commit}`));
  assert.match(shown.stdout, /platform: 2 of group:platform/);
  const again = await trial.as('ada', ['policy', 'propose', folder, '--reason', 'again', '--json']);
  assert.deepEqual(JSON.parse(again.stdout) && (JSON.parse(again.stdout) as { request: null }).request, null);
});

test('lint says what is wrong with file, line and help; for people, scripts and pull requests', async () => {
  const { org } = trial;
  const folder = join(org.folder, 'wrong-policy');
  cpSync(org.policy, folder, { recursive: true });
  const file = join(folder, 'release.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace('1 of group:platform', '3 of group:platform'));
  const lint = (...more: readonly string[]) => runCli(['policy', 'lint', folder, ...more]);
  const alone = await lint();
  assert.equal(alone.code, 0);
  assert.match(alone.stderr, /warning: no roster was given/);
  const roster = ['--roster', org.roster, '--keys', org.keys];
  const pretty = await lint(...roster);
  assert.equal(pretty.code, 1);
  assert.match(
    pretty.stdout,
    /error\[policy-gate-unmeetable\]: [\s\S]*--> .*release\.yaml:11:\d+\n *11 \| [\s\S]*\^\n *help: /,
  );
  const [found] = (await lint(...roster, '--json')).stdout.trim().split('\n');
  const one = JSON.parse(found ?? '') as { code: string; line: number; help: string };
  assert.deepEqual([one.code, one.line, one.help === ''], ['policy-gate-unmeetable', 11, false]);
  const github = await lint(...roster, '--format', 'github');
  assert.match(github.stdout, /^::error file=.*release\.yaml,line=11,col=\d+,title=policy-gate-unmeetable::.*%0A/m);
  const fine = await runCli(['policy', 'lint', org.policy, ...roster]);
  assert.equal(fine.code, 0, fine.stderr);
  assert.match(fine.stderr, /No problem in 3 files: 3 actions, sha256:/);
  const gone = await runCli(['policy', 'lint', join(org.folder, 'nowhere')]);
  assert.equal(gone.code, 2);
  const schema = JSON.parse((await runCli(['policy', 'schema'])).stdout) as { properties: { kind: { const: string } } };
  assert.equal(schema.properties.kind.const, 'Action');
});

test('doctor: what a client meets, in plain words', async () => {
  const fine = await trial.as('ada', ['doctor', '--dir', trial.dir, '--json']);
  const { healthy, findings } = JSON.parse(fine.stdout) as {
    readonly healthy: boolean;
    readonly findings: readonly { readonly check: string; readonly state: string; readonly text: string }[];
  };
  assert.equal(healthy, true, fine.stdout);
  const stateOf = (check: string) => findings.find((one) => one.check === check)?.state;
  assert.deepEqual(['server', 'ready', 'clock', 'pin', 'key', 'reading', 'log key', 'mark', 'notices'].map(stateOf), [
    'ok',
    'ok',
    'ok',
    'ok',
    'ok',
    'ok',
    'ok',
    'warn',
    'warn',
  ]);
  const other = `sha256:${'0'.repeat(64)}`;
  const elsewhere = await runCli(['doctor', '--server', trial.url, '--pin', other, '--json'], {
    env: { COUNTERSIGN_HOME: join(trial.org.folder, 'homes', 'other') },
  });
  assert.equal(elsewhere.code, 1);
  assert.match(elsewhere.stdout, /"check":"pin","state":"fail"/);
  const away = await runCli(['doctor', '--server', 'http://127.0.0.1:9'], {
    env: { COUNTERSIGN_HOME: join(trial.org.folder, 'homes', 'other') },
  });
  assert.equal(away.code, 1);
  assert.match(away.stdout, /BAD +server +server `http:\/\/127\.0\.0\.1:9` cannot be reached/);
});

test('names stand beside ids, always as the word of the server; ids come first', async () => {
  const ask = ['request', 'release.notes', '--fact', 'version=v9', '--reason', 'r'];
  const asked = await trial.as('ada', [...ask, '--executor', `${trial.org.key('ada')}.pub`]);
  assert.equal(asked.code, 0, asked.stderr);
  const id = asked.stdout.trim();
  const word = (name: string) => new RegExp(`p_\\w+ \\(the server calls them ${name}\\)`);
  assert.match(asked.stderr, word('Ada Lovelace'));
  assert.match(/Could approve: .*/.exec(asked.stderr)?.[0] ?? '', word('Grace Hopper'));
  for (const args of [['list'], ['show', id], ['roster', 'show']])
    assert.match((await trial.as('grace', args)).stdout, word('Ada Lovelace'), args.join(' '));
  assert.match((await trial.as('ada', ['show', id])).stdout, /You may not decide: you had a hand in this change/);
});
