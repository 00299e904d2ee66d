// SPDX-License-Identifier: Apache-2.0
// What a page says has to be true of this request, at this moment, for this reader.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RequestView } from '../../src/contract/api.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import { gradeLine } from '../../src/cli/request-words.ts';
import { digestOf } from '../../src/crypto/digest.ts';
import { readContent } from '../../src/server/page-request-content.ts';
import { renderInbox } from '../../src/server/page-inbox.ts';
import { gradeOf } from '../../src/server/page-reasons.ts';
import { renderRequestPage } from '../../src/server/page-request.ts';
import { renderSignIn } from '../../src/server/page-sign-in.ts';
import { minute, personOf, World } from '../support/world.ts';
import { contextOf, pageFor, strictPolicy, textIn, viewOf } from './page-sample.ts';

const asked = (over = {}, by = 'ada') => {
  const world = new World(strictPolicy);
  return { world, id: world.ask({ facts: { service: 'shop', risk: 80 }, ...over }, { by }) };
};

test('an emergency says who was told: through how many channels, nobody yet, or nobody could be (M1)', () => {
  const { world, id } = asked({ emergency: true }, 'margaret');
  const said = (alert: { taken: number; channels: number }): string =>
    textIn(pageFor(world, id, 'linus', {}, { alert }));
  assert.match(said({ taken: 2, channels: 3 }), /Alerted through 2 channels\./);
  assert.match(said({ taken: 1, channels: 1 }), /Alerted through 1 channel\./);
  assert.match(said({ taken: 0, channels: 1 }), /NOBODY has been alerted yet: no channel has taken it\./);
  assert.match(said({ taken: 0, channels: 0 }), /NOBODY has been alerted: no channel is configured\./);
  assert.doesNotMatch(said({ taken: 0, channels: 0 }), /[Ee]verybody concerned/);
});

test('a review is owed while it is owed, and after it was closed the page says by whom and with what finding', () => {
  const { world, id } = asked({ emergency: true }, 'margaret');
  assert.match(textIn(pageFor(world, id, 'linus')), /Once its permit is issued, an independent review of it is owed/);
  world.accept(world.vote(id, 'linus'));
  world.accept(world.permit(id));
  assert.match(textIn(pageFor(world, id, 'radia')), /Review owed/);
  world.accept(world.consumption(id));
  world.accept(world.review(id, 'vint', 'unjustified'));
  const review = { by: `person:${personOf('vint')}`, finding: 'unjustified', at: world.time } as const;
  const closed = textIn(pageFor(world, id, 'radia', { review }));
  assert.match(closed, /Reviewed: NOT justified ?p_vint0, who had no part in it, closed the review 23 Nov 2026/);
  assert.doesNotMatch(closed, /owed/);
  assert.match(
    textIn(pageFor(world, id, 'radia', { review: { ...review, finding: 'justified' } })),
    /Reviewed: justified/,
  );
});

test('a change of the rules is applied by the ledger itself: no grade of a target, no permit', () => {
  const { world, id } = asked();
  assert.match(gradeOf({ action: 'deploy.production', enforced: 'advisory' })[1], /someone could do this without us/);
  assert.equal(
    gradeOf({ action: 'governance.policy', enforced: 'advisory' })[1],
    'Applied by the ledger itself; nobody has another way in.',
  );
  assert.match(gradeLine('advisory', 'governance.roster'), /by the ledger itself, .*nobody has another way in/);
  assert.match(gradeLine('advisory', 'deploy.production'), /^advisory: .*someone could do this without us/);
  const change = { ...world.stateOf(id).change, action: 'governance.policy', executor: null, audience: null };
  const change_text = canonicalize(change);
  const over: Partial<RequestView> = {
    action: 'governance.policy',
    enforced: 'advisory',
    change_text,
    change: digestOf(change_text),
  };
  const text = textIn(pageFor(world, id, 'radia', over));
  assert.match(text, /Applied by the ledger itself; nobody has another way in/);
  assert.match(text, /Use ?once, with countersign activate when the gate is met; it needs no permit/);
  assert.doesNotMatch(text, /without us|of the permit/);
});

test('the content somebody signs for is shown value by value, escaped, and reads as what will run', () => {
  const { world, id } = asked();
  const bytes = Buffer.from(canonicalize({ argv: ['deploy', '--to', 'shop <b>'], cwd: '/srv\u202e' }));
  const content = readContent(digestOf(bytes), bytes);
  const page = pageFor(world, id, 'radia', {}, { content });
  const text = textIn(page);
  assert.match(text, /argv\[0\] "deploy" argv\[1\] "--to" argv\[2\] "shop <b>" cwd "\/srv\\u\{202e\}"/);
  assert.match(text, /drawn like others, are written as/);
  assert.doesNotMatch(page, /<b>|\u202e/);
  assert.match(page, /ssh-keygen -Y sign/);
  const script = Buffer.from('#!/bin/sh\nrm -rf "$1"\n');
  assert.match(
    textIn(pageFor(world, id, 'radia', {}, { content: readContent(digestOf(script), script) })),
    /line 1 #!\/bin\/sh line 2 rm -rf "\$1"/,
  );
});

test('content that cannot be shown whole is not offered for signing with stock OpenSSH', () => {
  const { world, id } = asked();
  const large = Buffer.alloc(300_000, 'a');
  const lines = Buffer.from('x\n'.repeat(6000));
  const binary = Buffer.from([0xff, 0, 1]);
  for (const content of [
    readContent(`sha256:${'0'.repeat(64)}`, undefined),
    readContent(digestOf(large), large),
    readContent(digestOf(lines), lines),
    readContent(digestOf(binary), binary),
    readContent(digestOf(large), binary),
  ]) {
    const page = pageFor(world, id, 'radia', {}, { content });
    assert.match(textIn(page), /You cannot see it here: .*Use countersign approve/);
    assert.match(page, /countersign approve req_/);
    assert.doesNotMatch(page, /ssh-keygen|vote\.json|"decision":/);
  }
});

test('a vote that fills no seat says so, and which seats are still open', () => {
  const { world, id } = asked();
  world.accept(world.vote(id, 'linus'));
  // grace could fill security as well, but signed for platform alone.
  world.accept(world.vote(id, 'grace', { seats: ['platform'] }));
  const text = textIn(pageFor(world, id, 'grace'));
  assert.match(text, /You have voted.*Your vote fills no seat now: 1 of 2 seats is filled; security still open\./);
  assert.match(text, /Grace Hopper p_grace0 approved, fills no seat/);
  assert.match(text, /Linus Pauling p_linus0 approved, fills platform/);
  assert.doesNotMatch(textIn(pageFor(world, id, 'linus')), /Your vote fills no seat/);
  assert.match(textIn(pageFor(world, id, 'radia')), /You could fill seat security\./);
});

test('whose seats are all filled is told so before they sign', () => {
  const { world, id } = asked();
  world.accept(world.vote(id, 'grace', { seats: ['platform'] }));
  assert.match(
    textIn(pageFor(world, id, 'linus')),
    /The seats you may fill are filled already: 1 of 2 seats is filled; security still open\./,
  );
});

test('what no longer applies is left out: an end to come, and how to sign', () => {
  const { world, id } = asked();
  const signing = /How to sign|countersign approve req_/;
  assert.match(textIn(pageFor(world, id, 'linus')), signing);
  assert.match(
    textIn(pageFor(world, id, 'linus')),
    /asks for this\. It has to be decided by .* by itself at the latest/,
  );
  world.accept(world.vote(id, 'linus'));
  assert.doesNotMatch(textIn(pageFor(world, id, 'linus')), signing, 'who has voted signs nothing more');
  assert.doesNotMatch(textIn(pageFor(world, id, 'ada')), signing, 'who made it signs nothing');
  world.accept(world.vote(id, 'radia'));
  const met = textIn(pageFor(world, id, 'grace'));
  assert.match(met, /It ends by itself at the latest/);
  assert.match(met, /Every seat is filled; you can still reject.*How to sign.*You can still say no/);
  assert.doesNotMatch(met, /countersign approve req_|"decision":"approve"/);
  assert.doesNotMatch(textIn(renderRequestPage(viewOf(world, id, null), contextOf(world, null))), signing);
  world.later(16 * minute).accept(world.permit(id));
  world.accept(world.consumption(id));
  world.accept(world.result(id, 'succeeded'));
  const over = textIn(pageFor(world, id, 'radia'));
  assert.match(over, /asked for this\./);
  assert.doesNotMatch(over, /by itself at the latest|How to sign/);
});

test('whoever reads with a token is told that it is nobody in particular, and can end that', () => {
  const { world, id } = asked();
  const page = renderRequestPage(viewOf(world, id, null), contextOf(world, null));
  assert.match(textIn(page), /Reading with a token ?Sign out.*You read with a token, which is nobody in particular/);
  assert.ok(page.includes(`href="/sign-in?next=${encodeURIComponent(`/requests/${id}`)}"`));
  assert.match(page, /action="\/sign-out"/);
});

test('emergencies come first among what waits, then what has the least time left', () => {
  const { world, id } = asked();
  const base = viewOf(world, id, null);
  const item = (target: string, answer_by: string, emergency = false) => ({
    ...base,
    request: `req_${target.padEnd(26, '0')}`,
    target,
    answer_by,
    emergency,
  });
  const items = [
    item('late', '2026-11-23T18:00:00.000Z'),
    item('soon', '2026-11-23T13:00:00.000Z'),
    item('alarm2', '2026-11-23T17:00:00.000Z', true),
    item('alarm1', '2026-11-23T16:00:00.000Z', true),
  ];
  const page = renderInbox(
    { items, next: null, people: {} },
    { ...contextOf(world, personOf('radia')), forViewer: items.map(({ request }) => request) },
  );
  const order = [...page.matchAll(/on <code>([a-z0-9]+)<\/code>/g)].map((match) => match[1]);
  assert.deepEqual(order, ['alarm1', 'alarm2', 'soon', 'late']);
});

test('a command on a page is whole: server, pin, and the flag that this kind of ledger needs', () => {
  const { world, id } = asked();
  const where = ` --server https://countersign.example --pin ${world.ledger}`;
  const trial = pageFor(world, id, 'radia');
  const real = pageFor(world, id, 'radia', {}, { trial: false });
  for (const verb of ['approve', 'reject'])
    for (const [page, flag] of [
      [trial, '--allow-trial'],
      [real, '--accept-v0'],
    ] as const)
      assert.ok(page.includes(`countersign ${verb} ${id} --key ~/.ssh/id_ed25519${where} ${flag}<`), `${verb} ${flag}`);
  assert.ok(real.includes(`--signature vote.json.sig${where}<`));
  const at = { nonce: 'abc', serverUrl: 'https://countersign.example', pin: world.ledger };
  const login = `countersign login --print-token --key ~/.ssh/id_ed25519${where}`;
  assert.ok(renderSignIn({ ...at, trial: true }).includes(`${login} --allow-trial<`));
  assert.ok(renderSignIn({ ...at, trial: false }).includes(`${login}<`));
});
