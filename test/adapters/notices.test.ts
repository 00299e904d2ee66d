// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseJson } from '../../src/kernel/canonical-json.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import { openChannels } from '../../src/server/notices-channels.ts';
import { noticeKinds, noticesConfig } from '../../src/server/notices-config.ts';
import { readServerConfig } from '../../src/server/server-config.ts';
import { day, hour, minute, personOf } from '../support/world.ts';
import { mailServer, receiver, secretText, type Receiver } from './notices-receivers.ts';
import { mailTo, Office, until, webhookTo } from './notices-office.ts';

type Payload = { readonly type: string; readonly timestamp: string; readonly data: JsonObject };
const payloads = ({ messages }: Receiver): readonly Payload[] =>
  messages.map(({ body }) => {
    const parsed = parseJson(body);
    assert.ok(parsed.ok);
    return parsed.value as unknown as Payload;
  });
const kinds = (heard: Receiver): readonly string[] => payloads(heard).map(({ type }) => type);
const subjectsTo = (mails: readonly { readonly to: readonly string[]; readonly raw: string }[], name: string) =>
  mails
    .filter(({ to }) => to.includes(`${name}@example.org`))
    .map(({ raw }) => /^Subject: (.*(?:\r?\n[ \t].*)*)/m.exec(raw)?.[1]?.replaceAll(/\r?\n[ \t]/g, ' ') ?? '');

test('each person is told once of what concerns them, through both channels, over a whole life', async () => {
  const heard = await receiver();
  const post = await mailServer();
  const office = new Office();
  try {
    const names = ['ada', 'bob', 'grace', 'linus', 'radia', 'margaret', 'vint'];
    await office.start({ webhooks: [webhookTo(heard.url)], ...mailTo(post.port, names) });
    const id = await office.ask();
    await office.quiet();
    const { world } = office;
    await office.send(world.later(minute).vote(id, 'grace', { seats: ['platform'] }));
    await office.send(world.later(minute).vote(id, 'radia'));
    await office.quiet();
    await office.send(world.later(16 * minute).permit(id));
    await office.quiet();
    await office.send(world.later(minute).consumption(id));
    await office.send(world.later(minute).result(id, 'succeeded'));
    await office.quiet();
    assert.deepEqual(kinds(heard), ['request.waiting', 'request.met', 'request.locked', 'permit.issued']);
    assert.ok(heard.messages.every(({ verified }) => verified));
    assert.equal(new Set(heard.messages.map((one) => one.id)).size, 4);
    const [waiting] = payloads(heard);
    assert.deepEqual(waiting?.data['to'], ['grace', 'linus', 'radia'].map(personOf));
    assert.equal(waiting?.data['url'], `https://countersign.example/requests/${id}`);
    const about = 'deploy.production on production/shop (strict)';
    const told = Object.fromEntries(names.map((name) => [name, subjectsTo(post.mails, name)]));
    assert.deepEqual(told, {
      ada: [`[Countersign trial] gate met: ${about}`, `[Countersign trial] permit issued: ${about}`],
      bob: [],
      grace: [`[Countersign trial] waits for you: ${about}`],
      linus: [`[Countersign trial] waits for you: ${about}`, `[Countersign trial] time lock started: ${about}`],
      radia: [`[Countersign trial] waits for you: ${about}`],
      margaret: [`[Countersign trial] time lock started: ${about}`, `[Countersign trial] permit issued: ${about}`],
      vint: [],
    });
    assert.deepEqual(
      { ...office.notices.figures(), sent: 0 },
      { sent: 0, failed: 0, givenUp: 0, waiting: 0, undeliveredAlerts: [] },
    );
  } finally {
    await office.close();
    await heard.close();
    await post.close();
  }
});

test('a mail is short, marks as data what others wrote, links to the page, and lets nobody decide', async () => {
  const post = await mailServer();
  const office = new Office();
  try {
    await office.start(mailTo(post.port, ['radia']));
    const id = await office.ask();
    await office.quiet();
    const text = (post.mails[0]?.raw ?? '').replaceAll('\r', '');
    assert.match(text, /^> action: deploy\.production$/m);
    assert.match(text, /^> asked by: Ada Byron \(p_ada0\)$/m);
    assert.match(text, /^> decide by: 23 Nov 2026, 16:00 UTC$/m);
    assert.match(text, new RegExp(`^https://countersign\\.example/requests/${id}$`, 'm'));
    assert.doesNotMatch(text, /token|approve\?|cst_|css_|[?&]/);
    assert.ok(text.length < 2500);
  } finally {
    await office.close();
    await post.close();
  }
});

test('names and addresses stay out of webhooks and out of the ledger', async () => {
  const heard = await receiver();
  const post = await mailServer();
  const office = new Office();
  try {
    await office.start({ webhooks: [webhookTo(heard.url)], ...mailTo(post.port, ['radia']) });
    await office.ask();
    await office.quiet();
    const sent = heard.messages.map(({ body }) => body).join();
    assert.doesNotMatch(sent + office.world.entries.join(), /Ada|Byron|example\.org/);
  } finally {
    await office.close();
    await heard.close();
    await post.close();
  }
});

test('a failing channel is tried again with the same id, and holds up neither the other nor the ledger', async () => {
  const heard = await receiver();
  const post = await mailServer();
  const office = new Office();
  try {
    let failures = 3;
    heard.answer = (response) => void response.writeHead(failures-- > 0 ? 500 : 204).end();
    await office.start({ webhooks: [webhookTo(heard.url)], ...mailTo(post.port, ['radia']) });
    await office.ask();
    await until(() => post.mails.length === 1);
    await office.quiet();
    assert.equal(heard.messages.length, 4);
    assert.equal(new Set(heard.messages.map(({ id, body }) => id + body)).size, 1);
    assert.equal(office.notices.figures().failed, 3);
    assert.equal(office.logs.filter(({ event }) => event === 'notice-failed').length, 3);
    assert.equal(post.mails.length, 1, 'the mail went out once');
  } finally {
    await office.close();
    await heard.close();
    await post.close();
  }
});

test('what was not sent when the process ended is sent after a restart, and what was sent is not', async () => {
  const heard = await receiver();
  const post = await mailServer();
  const office = new Office();
  const config = { webhooks: [webhookTo(heard.url)], ...mailTo(post.port, ['radia']) };
  try {
    heard.answer = (response) => void response.writeHead(503).end();
    await office.start(config);
    await office.ask();
    await until(() => post.mails.length === 1 && heard.messages.length > 0);
    await office.pause();
    const [before] = heard.messages;
    heard.messages.length = 0;
    heard.answer = (response) => void response.writeHead(204).end();
    await office.start(config);
    await office.quiet();
    assert.deepEqual(
      heard.messages.map(({ id }) => id),
      [before?.id],
    );
    assert.equal(post.mails.length, 1);
    await office.pause();
    await office.start(config);
    await office.quiet();
    assert.deepEqual([heard.messages.length, post.mails.length], [1, 1]);
  } finally {
    await office.close();
    await heard.close();
    await post.close();
  }
});

test('a crash between sending and noting it sends again under the same id: at least once, never lost', async () => {
  const heard = await receiver();
  const office = new Office();
  const config = { webhooks: [webhookTo(heard.url)] };
  try {
    // The store takes the notice, and fails when it is to forget it: what a crash at that moment leaves behind.
    const whole = office.store;
    office.store = {
      ...whole,
      writeViews: async (tenant, rows, cursor) => {
        if (rows.some(({ value }) => value === null)) throw new Error('the disk went away');
        return whole.writeViews(tenant, rows, cursor);
      },
    };
    await office.start(config);
    await office.ask();
    await office.quiet();
    assert.equal(heard.messages.length, 1);
    await office.pause();
    office.store = whole;
    await office.start(config);
    await office.quiet();
    assert.equal(heard.messages.length, 2);
    assert.equal(new Set(heard.messages.map(({ id }) => id)).size, 1);
  } finally {
    await office.close();
    await heard.close();
  }
});

test('what is no longer true is not sent late', async () => {
  const heard = await receiver();
  const office = new Office();
  try {
    heard.answer = (response) => void response.writeHead(503).end();
    await office.start({ webhooks: [webhookTo(heard.url)] });
    const id = await office.ask();
    await until(() => heard.messages.length > 0);
    await office.send(office.world.stop(id, 'ada', 'withdrawal'));
    await office.quiet();
    assert.deepEqual(new Set(kinds(heard)), new Set(['request.waiting']));
  } finally {
    await office.close();
    await heard.close();
  }
});

test('INV9: an emergency reaches every channel at once, whatever it asked for and whatever else is stuck', async () => {
  const heard = await receiver();
  const dead = await receiver();
  const post = await mailServer();
  const office = new Office();
  try {
    dead.answer = () => {};
    await office.start({
      webhooks: [webhookTo(heard.url, { events: ['permit.issued'] }), webhookTo(dead.url)],
      ...mailTo(post.port, ['linus', 'vint'], { alerts: ['security@example.org'] }),
    });
    for (let more = 0; more < 6; more += 1) await office.ask();
    const id = await office.ask({ emergency: true }, 'margaret');
    await until(() => kinds(heard).includes('emergency.invoked'), 900);
    assert.deepEqual(kinds(heard), ['emergency.invoked']);
    await until(() => subjectsTo(post.mails, 'security').length === 1);
    assert.match(subjectsTo(post.mails, 'security')[0] ?? '', /^\[Countersign trial\] EMERGENCY: deploy\.production/);
    assert.ok(subjectsTo(post.mails, 'vint').some((subject) => subject.includes('EMERGENCY')));
    await until(() => kinds(dead).includes('emergency.invoked'));
    assert.deepEqual(office.notices.figures().undeliveredAlerts, []);
    const { world } = office;
    await office.send(world.vote(id, 'linus'));
    await office.send(world.permit(id));
    await until(() => subjectsTo(post.mails, 'vint').some((subject) => subject.includes('review owed')));
    assert.ok(
      !subjectsTo(post.mails, 'linus').some((subject) => subject.includes('review owed')),
      'who decided does not review',
    );
    world.later(day + hour);
    office.sequencer.acceptTimeJump();
    await office.send(world.tick());
    await until(() => subjectsTo(post.mails, 'vint').some((subject) => subject.includes('review overdue')));
  } finally {
    await office.close();
    await heard.close();
    await dead.close();
    await post.close();
  }
});

test('an alert that no channel took shows until one does, over a restart and with another channel', async () => {
  const dead = await receiver();
  const heard = await receiver();
  const office = new Office();
  try {
    dead.answer = (response) => void response.writeHead(500).end();
    await office.start({ webhooks: [webhookTo(dead.url)] });
    const id = await office.ask({ emergency: true }, 'margaret');
    await until(() => office.notices.figures().failed > 1);
    const wanted = [{ kind: 'emergency.invoked', request: id, since: office.world.time }];
    assert.deepEqual(office.notices.figures().undeliveredAlerts, wanted);
    assert.ok(office.logs.some(({ level, event }) => level === 'error' && event === 'notice-failed'));
    await office.pause();
    await office.start({ webhooks: [webhookTo(heard.url)] });
    await office.quiet();
    assert.ok(kinds(heard).includes('emergency.invoked'));
    assert.deepEqual(office.notices.figures().undeliveredAlerts, []);
  } finally {
    await office.close();
    await dead.close();
    await heard.close();
  }
});

test('how an emergency was told is known by channel: none there, none that took it, and how many did, over restarts', async () => {
  const heard = await receiver();
  const dead = await receiver();
  const office = new Office();
  const both = { webhooks: [webhookTo(heard.url), webhookTo(dead.url)] };
  try {
    await office.start({});
    const first = await office.ask({ emergency: true }, 'margaret');
    assert.deepEqual(office.notices.alertOf(first), { taken: 0, channels: 0 });
    await office.pause();
    for (const one of [heard, dead]) one.answer = (response) => void response.writeHead(500).end();
    await office.start(both);
    await until(() => office.notices.figures().failed > 1);
    assert.deepEqual(office.notices.alertOf(first), { taken: 0, channels: 2 });
    heard.answer = (response) => void response.writeHead(204).end();
    await until(() => office.notices.alertOf(first).taken === 1);
    await office.pause();
    await office.start(both);
    assert.deepEqual(office.notices.alertOf(first), { taken: 1, channels: 2 });
    dead.answer = (response) => void response.writeHead(204).end();
    await until(() => office.notices.alertOf(first).taken === 2);
    const ordinary = await office.ask();
    await office.quiet();
    assert.equal(office.notices.alertOf(ordinary).taken, 0);
    await office.pause();
    await office.start({});
    assert.deepEqual(office.notices.alertOf(first), { taken: 2, channels: 0 }, 'who was told stays told');
  } finally {
    await office.close();
    await heard.close();
    await dead.close();
  }
});

test('without any channel an emergency shows as told to nobody until its review is closed', async () => {
  const office = new Office();
  try {
    await office.start({});
    assert.deepEqual(office.notices.figures().undeliveredAlerts, []);
    const id = await office.ask({ emergency: true }, 'margaret');
    assert.deepEqual(
      office.notices.figures().undeliveredAlerts.map(({ request }) => request),
      [id],
    );
    const { world } = office;
    await office.send(world.vote(id, 'linus'));
    await office.send(world.permit(id));
    await office.send(world.consumption(id));
    await office.send(world.result(id, 'succeeded'));
    assert.equal(office.notices.figures().undeliveredAlerts.length, 1);
    await office.send(world.review(id, 'vint'));
    assert.deepEqual(office.notices.figures().undeliveredAlerts, []);
  } finally {
    await office.close();
  }
});

test('INV4: a damaged ledger is told on every channel although nothing can be appended any more', async () => {
  const heard = await receiver();
  const post = await mailServer();
  const office = new Office();
  const config = { webhooks: [webhookTo(heard.url, { events: ['permit.issued'] })], ...mailTo(post.port, ['grace']) };
  try {
    await office.start(config);
    await office.ask();
    await office.quiet();
    await office.pause();
    post.mails.length = 0;
    // One byte of an entry is changed under the ledger's feet; views cannot be written either.
    const whole = office.store;
    office.store = {
      ...whole,
      entries: async (tenant, from, to) =>
        (await whole.entries(tenant, from, to)).map((entry) =>
          entry.index === 1
            ? { ...entry, bytes: Buffer.from(Buffer.from(entry.bytes).toString().replace('shop', 'bank')) }
            : entry,
        ),
      writeViews: async () => {
        throw new Error('the disk is broken');
      },
    };
    let failures = 2;
    heard.answer = (response) => void response.writeHead(failures-- > 0 ? 500 : 204).end();
    await office.start(config);
    assert.equal(office.sequencer.quarantine()?.index, 1);
    await until(() => heard.messages.length === 3 && post.mails.length === 1);
    assert.deepEqual(new Set(kinds(heard)), new Set(['ledger.quarantined']));
    assert.equal(payloads(heard)[0]?.data['index'], 1);
    assert.match(subjectsTo(post.mails, 'grace')[0] ?? '', /^\[Countersign trial\] LEDGER DAMAGED$/);
    await until(() => office.notices.figures().undeliveredAlerts.length === 0);
  } finally {
    await office.close();
    await heard.close();
    await post.close();
  }
});

test('a mailbox that is unknown is given up at once and holds up nobody', async () => {
  const post = await mailServer();
  const office = new Office();
  try {
    post.refuse.set('grace@example.org', 550);
    post.refuse.set('linus@example.org', 451);
    await office.start(mailTo(post.port, ['grace', 'linus', 'radia']));
    await office.ask();
    await until(() => post.mails.length === 1 && office.notices.figures().givenUp === 1);
    assert.deepEqual(
      post.mails.map(({ to }) => to),
      [['radia@example.org']],
    );
    await until(() => office.notices.figures().waiting === 1);
    assert.doesNotMatch(JSON.stringify(office.logs), /example\.org|grace/);
  } finally {
    await office.close();
    await post.close();
  }
});

test('the configuration is read strictly, and secrets only from files that others cannot open', async () => {
  const office = new Office();
  try {
    for (const wrong of [
      { webhook: [] },
      { webhooks: [{ url: 'https://a.example/' }] },
      { webhooks: [webhookTo('https://a.example/', { events: ['everything'] })] },
      { smtp: { host: 'mail.example.org', from: 'a@example.org' } },
      { addresses: { p_ada0: 'ada@example.org' } },
      mailTo(25, ['ada'], { addresses: { ada: 'ada@example.org' } }),
      mailTo(25, ['ada'], { addresses: { p_ada0: 'ada@example.org\r\nBcc: x@example.org' } }),
      mailTo(25, ['ada'], { alerts: ['a@example.org, b@example.org'] }),
      mailTo(25, ['ada'], { smtp: { host: 'a b', from: 'a@example.org' } }),
      mailTo(25, ['ada'], { smtp: { host: 'mail.example.org', from: 'a@example.org', user: 'me' } }),
    ])
      assert.equal(noticesConfig.safeParse(wrong).success, false, JSON.stringify(wrong));
    const file = join(office.folder, 'webhook.secret');
    const open = (url = 'https://a.example/') =>
      openChannels(noticesConfig.parse({ webhooks: [webhookTo(url)] }), office.folder);
    const codeOf = (opened: ReturnType<typeof open>) => (opened.ok ? 'open' : opened.refusal.code);
    assert.equal(codeOf(open()), 'config-malformed');
    writeFileSync(file, 'whsec_short\n', { mode: 0o600 });
    assert.equal(codeOf(open()), 'config-malformed');
    writeFileSync(file, `whsec_${Buffer.alloc(32).toString('base64')}\n`);
    assert.equal(codeOf(open()), 'open');
    assert.equal(codeOf(open('http://a.example/')), 'config-malformed');
    chmodSync(file, 0o644);
    assert.equal(codeOf(open()), 'file-too-open');
  } finally {
    await office.start({});
    await office.close();
  }
});

const noOpenssl = spawnSync('openssl', ['version']).status !== 0 && 'openssl is not here to make a secret';

test('a secret file that is missing, open or wrong is named by its path and its line of the configuration', {
  skip: noOpenssl,
}, async () => {
  const office = new Office();
  try {
    const { folder } = office;
    const file = join(folder, 'hooks', 'one.secret');
    const yaml = [
      'notices:',
      '  webhooks:',
      '    - url: https://a.example/',
      '      secret-file: webhook.secret',
      '    - url: https://b.example/',
      '      secret-file: hooks/one.secret',
    ].join('\n');
    writeFileSync(join(folder, 'countersign.yaml'), yaml, { mode: 0o600 });
    writeFileSync(join(folder, 'webhook.secret'), `${secretText}\n`, { mode: 0o600 });
    mkdirSync(join(folder, 'hooks'));
    const config = readServerConfig(folder);
    assert.ok(config.ok && config.value.notices);
    const { notices } = config.value;
    const refused = () => {
      const opened = openChannels(notices, folder);
      assert.ok(!opened.ok);
      return [opened.refusal.message, opened.refusal.help ?? ''] as const;
    };
    assert.equal(refused()[0], `\`${file}\` (countersign.yaml, line 6) is not there`);
    writeFileSync(file, 'hunter2\n', { mode: 0o600 });
    const [message, help] = refused();
    assert.match(message, /one\.secret` \(countersign\.yaml, line 6\) is wrong: a webhook secret does not begin with/);
    assert.doesNotMatch(message, /hunter2/);
    // The help makes one that works, in a shell, as it stands there.
    const line = /`(printf .*)` makes one/.exec(help)?.[1] ?? '';
    writeFileSync(file, execFileSync('sh', ['-c', line]), { mode: 0o600 });
    assert.ok(openChannels(notices, folder).ok);
    chmodSync(file, 0o644);
    const [open, mend] = refused();
    assert.match(open, /others on this machine may open .*one\.secret` \(countersign\.yaml, line 6\)/);
    execFileSync('sh', ['-c', /run `(.*)`/.exec(mend)?.[1] ?? 'false']);
    assert.ok(openChannels(notices, folder).ok);
  } finally {
    await office.start({});
    await office.close();
  }
});

test('docs/operations.md tells of every event, and its line makes a secret file that is taken', {
  skip: noOpenssl,
}, async () => {
  const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  for (const kind of noticeKinds) assert.ok(page.includes(`\`${kind}\``), kind);
  const line = /^\(umask 077; printf .*$/m.exec(page)?.[0] ?? '';
  const office = new Office();
  try {
    execFileSync('sh', ['-c', line.replace('DIR/', `${office.folder}/`)]);
    assert.ok(openChannels(noticesConfig.parse({ webhooks: [webhookTo('https://a.example/')] }), office.folder).ok);
  } finally {
    await office.start({});
    await office.close();
  }
});
