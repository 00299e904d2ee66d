// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodeBase64 } from '../../src/kernel/base64.ts';
import { formatOpenSshPrivateKey } from '../../src/crypto/openssh-private-key.ts';
import { contentSecurityPolicy } from '../../src/server/page-frame.ts';
import { renderInbox } from '../../src/server/page-inbox.ts';
import { renderProblemPage } from '../../src/server/page-problem.ts';
import { approveCommand, opensshCommand, shellWord } from '../../src/server/page-request-sign.ts';
import { renderRequestPage } from '../../src/server/page-request.ts';
import { pageAfterSignIn, renderSignIn } from '../../src/server/page-sign-in.ts';
import { colours } from '../../src/server/page-style.ts';
import { durationText, relativeText } from '../../src/server/page-time.ts';
import { keyOf, minute, personOf, World } from '../support/world.ts';
import { contextOf, pageFor, statementOf, strictPolicy, textIn, viewOf, voteText } from './page-sample.ts';

const gate = { serverUrl: 'https://countersign.example', pin: `sha256:${'0'.repeat(64)}`, trial: true };
const asked = (over = {}, by = 'ada') => {
  const world = new World(strictPolicy);
  return { world, id: world.ask({ facts: { service: 'shop', risk: 80 }, ...over }, { by }) };
};
const commandsIn = (page: string): readonly string[] =>
  [...page.matchAll(/<pre class="command"[^>]*><code>([\s\S]*?)<\/code>/g)].map((match) => textIn(match[1] ?? ''));

const voids = new Set(['meta', 'br', 'input', '!doctype']);
const wellFormed = (page: string): void => {
  const open: string[] = [];
  for (const { 1: close, 2: name = '' } of page
    .replace(/<style[\s\S]*?<\/style>/, '')
    .matchAll(/<(\/?)([a-z!][a-z0-9]*)[^>]*>/g))
    if (close === '/') assert.equal(open.pop(), name);
    else if (!voids.has(name)) open.push(name);
  assert.deepEqual(open, []);
};

const allPages = (): readonly string[] => {
  const { world, id } = asked();
  const problem = {
    type: 'about:blank',
    title: 'x',
    status: 404,
    code: 'request-unknown',
    rule: 'Q6',
    detail: 'there is no request `x`',
    facts: {},
    help: 'look at the list',
    index: null,
  };
  return [
    pageFor(world, id, 'radia'),
    pageFor(world, id, 'ada'),
    renderInbox(
      { items: [viewOf(world, id, null)], next: 'abc', people: {} },
      { ...contextOf(world, personOf('radia')), forViewer: [id] },
    ),
    renderSignIn({ ...gate, nonce: 'bm9uY2Utb2YtdGhpcy1wYWdl', error: 'no' }),
    renderProblemPage(problem, { nonce: 'bm9uY2Utb2YtdGhpcy1wYWdl' }),
  ];
};

test('every page stands alone: no script, nothing from elsewhere, no inline style, one stylesheet with the nonce', () => {
  for (const page of allPages()) {
    assert.doesNotMatch(page, /<script|<link|<img|<iframe|<object| style="| on[a-z]+="|javascript:|url\(|@import/i);
    assert.equal(page.match(/<style nonce="bm9uY2Utb2YtdGhpcy1wYWdl">/g)?.length, 1);
    assert.doesNotMatch(page.replace(/<style[\s\S]*?<\/style>/, ''), /(href|src|action)="(?!\/|#)/);
    assert.match(page, /^<!doctype html>\n<html lang="en">/);
    for (const part of ['<header', '<main id="main">', '<footer', 'name="viewport"', 'href="#main"'])
      assert.ok(page.includes(part), part);
    assert.equal(page.match(/<h1>/g)?.length, 1);
    wellFormed(page);
  }
  assert.match(contentSecurityPolicy('abc'), /^default-src 'none'; style-src 'nonce-abc';.*frame-ancestors 'none'$/);
});

test('each label and description names something that is there, and ids stand once', () => {
  for (const page of allPages()) {
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map((match) => match[1]);
    assert.equal(new Set(ids).size, ids.length);
    for (const { 1: wanted = '' } of page.matchAll(/(?:aria-labelledby|aria-describedby| for)="([^"]+)"/g))
      assert.ok(ids.includes(wanted), wanted);
  }
});

test('every pair of colours has a contrast of 4.5 and more, in light and dark', () => {
  const light = (hex: string): number => {
    const [r = 0, g = 0, b = 0] = [1, 3, 5]
      .map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a: string, b: string): number => {
    const [low = 0, high = 0] = [light(a), light(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  for (const set of Object.values(colours))
    for (const [ink, paper] of [
      ...(['ink', 'quiet', 'accent'] as const).flatMap((one) =>
        (['paper', 'sheet', 'wash'] as const).map((under) => [set[one], set[under]] as const),
      ),
      [set.paper, set.accent],
      [set['caution-ink'], set['caution-wash']],
      [set['danger-ink'], set['danger-wash']],
    ] as const)
      assert.ok(contrast(ink, paper) >= 4.5, `${ink} on ${paper}: ${contrast(ink, paper)}`);
});

test('the page says what is asked, what is missing and who could give it, then all else in its order', () => {
  const { world, id } = asked();
  const text = textIn(pageFor(world, id, 'radia'));
  let from = 0;
  for (const part of [
    'Put a built version of a service into production',
    'deploy.production on production/shop',
    'Ada Byron p_ada0 asks for this',
    'decided by 23 Nov 2026, 16:00 UTC (in 3 hours 59 minutes)',
    'Waiting for decisions',
    '0 of 2 seats filled',
    'tier strict',
    'Seat security: 1 missing, of group security. Could be filled by Radia Perlman p_radia0 or Grace Hopper p_grace0',
    'You may decide on this',
    'Target verified',
    'What will happen',
    'within 15 minutes of the permit',
    'Facts and who vouches for them',
    'requester’s own word',
    'signed by Radia Perlman p_radia0',
    'Score 60, tier strict',
    'counted at its worst',
    'The gate in full',
    '15 minutes after the gate is met; veto by group oncall',
    'Nobody has voted yet',
    'The shop shows wrong prices',
    world.stateOf(id).digest,
    '{"action":"deploy.production"',
    '"decision":"approve"',
    'countersign approve',
    'This page can deceive you',
    'ssh-keygen -Y sign',
    'countersign vote-send',
  ]) {
    const at = text.indexOf(part, from);
    assert.ok(at >= from, `\`${part}\` is missing after ${from}`);
    from = at;
  }
});

test('whoever made it, or has voted, is told why not, with the rule', () => {
  const { world, id } = asked();
  assert.match(textIn(pageFor(world, id, 'ada')), /You may not decide: you had a hand in this change.*\(rule V3\)/);
  assert.doesNotMatch(pageFor(world, id, 'ada'), /ssh-keygen/);
  world.accept(world.vote(id, 'grace', { seats: ['platform'] }));
  assert.match(textIn(pageFor(world, id, 'grace')), /You have voted on this revision already.*\(rule V3\)/);
  assert.match(textIn(pageFor(world, id, 'vint')), /You may not decide: you are in none of the groups/);
  const machine = renderRequestPage(viewOf(world, id, null), { ...contextOf(world, null), viewer: 'machine:ci' });
  assert.match(textIn(machine), /a machine never fills a seat \(rule V1\)/);
});

test('a running time lock, votes with their entries, and an advisory gate are said in words', () => {
  const { world, id } = asked();
  const first = world.later(minute).send(world.vote(id, 'grace', { seats: ['platform'] })).index;
  world.later(minute).accept(world.vote(id, 'radia'));
  const page = pageFor(world, id, 'linus', { enforced: 'advisory' });
  const text = textIn(page);
  assert.match(text, /Gate met ●● 2 of 2 seats filled/);
  assert.match(text, /Time lock running ?No permit before 23 Nov 2026, 12:17 UTC \(in 14 minutes\)/);
  assert.match(
    page,
    new RegExp(
      `Grace Hopper[\\s\\S]*?approved, fills <code>platform<[\\s\\S]*?a key of one’s own<[\\s\\S]*?"Ledger entry">${first}<`,
    ),
  );
  assert.match(text, /someone could do this without us. It earns no credit/);
});

test('a machine’s request names the person behind it; an emergency and its debt stand on top', () => {
  const { world, id } = asked({}, 'ci');
  const view = viewOf(world, id, null);
  assert.match(
    textIn(renderRequestPage(view, contextOf(world, null, { behind: personOf('ada') }))),
    /the machine ci asks for this, for which Ada Byron p_ada0 is accountable/,
  );
  assert.match(textIn(renderRequestPage(view, contextOf(world, null))), /nobody is known who is accountable/);
  const emergency = world.ask({ emergency: true }, { by: 'margaret' });
  world.accept(world.vote(emergency, 'linus'));
  world.accept(world.permit(emergency));
  const text = textIn(pageFor(world, emergency, 'radia'));
  assert.match(text, /Emergency ?This went the emergency path.*Review owed ?Somebody of group risk.*Where it stands/);
});

test('attack C23: a view whose bytes do not give its digest is not shown at all', () => {
  const { world, id } = asked();
  const forged = viewOf(world, id, personOf('radia')).change_text.replace('production/shop', 'production/bank');
  const page = pageFor(world, id, 'radia', { change_text: forged });
  assert.match(textIn(page), /Sign nothing/);
  assert.doesNotMatch(page, /ssh-keygen/);
});

test('attack A35: markup, bidi overrides and very long words in what others wrote stay text, and are seen', () => {
  const { world, id } = asked();
  const evil = '<script>alert(1)</script>"\'><img src=x onerror=alert(1)>\u202e\u2066txt.exe';
  const page = renderRequestPage(
    viewOf(world, id, personOf('radia'), { title: evil, reason: `${evil}\n${'x'.repeat(7000)}`, ended_by: evil }),
    contextOf(world, personOf('radia'), {
      people: { [personOf('ada')]: evil },
      statement: statementOf(world, id, 'radia'),
    }),
  );
  assert.doesNotMatch(page, /<script|<img/);
  assert.doesNotMatch(page, /[\u202e\u2066]/);
  assert.ok(page.includes('<span class="escape">\\u202e</span>'));
  assert.ok(page.includes('x'.repeat(7000)), 'a reason is shown whole');
  wellFormed(page);
  const inbox = renderInbox(
    { items: [viewOf(world, id, null, { title: evil, target: evil })], next: `"><script>`, people: {} },
    { ...contextOf(world, personOf('radia'), { people: { [personOf('ada')]: evil } }), forViewer: [] },
  );
  assert.doesNotMatch(inbox, /<script|<img|[\u202e\u2066]/);
  wellFormed(inbox);
});

test('the exact bytes are shown whole, and read back from the page they give the digest', () => {
  const { world, id } = asked();
  const page = pageFor(world, id, 'radia');
  const blocks = [...page.matchAll(/<pre class="bytes"[^>]*>([\s\S]*?)<\/pre>/g)].map((match) =>
    textIn(match[1] ?? ''),
  );
  assert.deepEqual(blocks, [
    viewOf(world, id, null).change_text,
    voteText(world, id, 'radia', 'approve'),
    voteText(world, id, 'radia', 'reject'),
  ]);
});

test('the ssh-keygen line of the page, run as it is in a shell, gives a vote that OpenSSH and the ledger accept', () => {
  const { world, id } = asked();
  const home = mkdtempSync(join(tmpdir(), 'countersign-page-'));
  try {
    mkdirSync(join(home, '.ssh'), { mode: 0o700 });
    writeFileSync(join(home, '.ssh', 'id_ed25519'), formatOpenSshPrivateKey(keyOf('radia'), 'radia'), { mode: 0o600 });
    const commands = commandsIn(pageFor(world, id, 'radia'));
    const line = commands.find((command) => command.includes('"decision":"approve"')) ?? '';
    const env = { PATH: process.env['PATH'] ?? '', HOME: home };
    execFileSync('sh', ['-c', line], { cwd: home, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const statement = readFileSync(join(home, 'vote.json'), 'utf8');
    assert.equal(statement, voteText(world, id, 'radia', 'approve'));
    writeFileSync(join(home, 'signers'), `radia ${keyOf('radia').public.line}\n`);
    execFileSync(
      'sh',
      ['-c', 'ssh-keygen -Y verify -f signers -I radia -n countersign-vote@v1 -s vote.json.sig < vote.json'],
      { cwd: home, env },
    );
    const armour = readFileSync(join(home, 'vote.json.sig'), 'utf8')
      .split('\n')
      .filter((part) => part !== '' && !part.startsWith('-----'));
    const signature = encodeBase64(Buffer.from(armour.join(''), 'base64'));
    world.accept({ type: 'CastVote', envelope: { statement, signature }, seen_proof: null, attachments: [] });
    assert.ok(
      commands.some(
        (command) =>
          command ===
          `countersign vote-send ${id} --statement vote.json --signature vote.json.sig --server https://countersign.example --pin ${world.ledger} --allow-trial`,
      ),
    );
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

test('commands survive any shell word, and a statement that cannot be printed is not offered for signing', () => {
  const words = ["it's", 'a b', '$(id)', '`id`', 'x;y', '!!', "'; rm -rf ~; '", '\\'];
  for (const word of words)
    assert.equal(execFileSync('sh', ['-c', `printf '%s' ${shellWord(word)}`], { encoding: 'utf8' }), word);
  assert.equal(shellWord('https://countersign.example:8443'), 'https://countersign.example:8443');
  assert.match(
    approveCommand('approve', 'req_x', { ...gate, serverUrl: 'https://x.example/$(id)' }),
    / --server 'https:\/\/x\.example\/\$\(id\)' /,
  );
  assert.equal(opensshCommand('{"a":"\u202e"}', 'countersign-vote@v1'), null);
  assert.equal(opensshCommand('{}\n', 'countersign-vote@v1'), null);
  assert.equal(opensshCommand('{}', 'x; id'), null);
});

test('the list puts first what waits for the reader, and says seats and time in words', () => {
  const { world, id } = asked();
  const other = world.ask({ facts: { service: 'other', risk: 1 } }, { by: 'bob' });
  const page = renderInbox(
    { items: [viewOf(world, other, null), viewOf(world, id, null)], next: null, people: {} },
    { ...contextOf(world, personOf('radia')), forViewer: [id] },
  );
  const text = textIn(page);
  assert.ok(text.indexOf('production/shop') < text.indexOf('production/other'));
  assert.match(text, /Waiting for you \(1\).*Under way \(1\)/);
  assert.match(text, /strict Waiting for decisions ?○○ 0 of 2 seats filled ?decide in 3 hours 59 minutes/);
  assert.ok(page.includes(`href="/requests/${id}"`));
});

test('sign-in keeps the token out of the address and leads to pages of this server only', () => {
  const page = renderSignIn({ ...gate, nonce: 'abc', next: '//evil.example/', error: '<b>no</b>' });
  assert.match(page, /<form method="post" action="\/sign-in"/);
  assert.match(page, /<input type="hidden" name="next" value="\/">/);
  assert.match(page, /type="password"/);
  assert.doesNotMatch(page, /<b>no/);
  for (const bad of ['https://evil.example', '//evil', '/\\evil', '/requests/../x', '/requests/req_1', undefined])
    assert.equal(pageAfterSignIn(bad), '/');
  assert.equal(pageAfterSignIn(`/requests/req_${'0'.repeat(26)}`), `/requests/req_${'0'.repeat(26)}`);
});

test('a refusal says what, why and what to do, with its code and rule', () => {
  const page = allPages().at(-1) ?? '';
  assert.match(textIn(page), /there is no request `x`.*What to do: look at the list.*Code request-unknown, rule Q6/);
});

test('durations and distances read as people say them', () => {
  const { world } = asked();
  assert.equal(durationText(15 * minute), '15 minutes');
  assert.equal(durationText(61 * minute), '1 hour 1 minute');
  assert.equal(durationText(25 * 60 * minute), '1 day 1 hour');
  assert.equal(durationText(0), 'no time');
  assert.equal(relativeText('2026-11-23T11:00:00.000Z', world.time), '1 hour ago');
  assert.equal(relativeText(world.time, world.time), 'now');
  assert.equal(relativeText('never', world.time), '');
});
