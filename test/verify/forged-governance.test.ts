// SPDX-License-Identifier: Apache-2.0
// INV11, governance: a roster or policy that its own people did not approve gives nobody a permit.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeBase64 } from '../../src/kernel/base64.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import { signSsh } from '../../src/crypto/sshsig.ts';
import { rosterAfter } from '../../src/roster/change.ts';
import { fingerprintOf, keyOf, personOf, rosterRecords } from '../support/world.ts';
import {
  check,
  editing,
  forgedPermit,
  object,
  ofType,
  oneSeat,
  refused,
  two,
  without,
  type Rewrite,
} from './insider.ts';
import { SealedWorld, type EntryFields } from './sealed-world.ts';

const govern = (kind: 'roster' | 'policy', change: JsonObject, world: SealedWorld, voters = ['radia', 'margaret']) =>
  world.govern(`governance.${kind}`, change, voters);

test('INV8: a roster change that nobody approved: votes dropped, votes of the proposer, content swapped', () => {
  const world = new SealedWorld({ policy: oneSeat });
  govern('roster', world.rosterChange({ 'group/risk': { members: [personOf('vint')] } }), world);
  const id = world.permitted(['linus']);
  assert.equal(check(world, world.permitFile(id)).result, 'PASS');
  refused(world, forgedPermit(world, id, without('CastVote')), 'gate-pending', 'replay-differs');
  refused(
    world,
    forgedPermit(world, id, (entries) => without('CastVote')(without('CastVote')(entries))),
    'gate-pending',
  );
  refused(
    world,
    forgedPermit(
      world,
      id,
      editing('CastVote', (command, entry) => {
        const request = ofType(
          world.entries.map((text) => JSON.parse(text) as EntryFields),
          'SubmitRequest',
        ).command['request'];
        const vote = world.vote(String(request), 'grace', {
          seats: ['founders'],
          seen: { size: entry.index, root: 'a'.repeat(64) },
        });
        assert.ok(vote.type === 'CastVote');
        command['envelope'] = vote.envelope;
      }),
    ),
    'vote-by-producer',
  );
  // The insider adds a key of their own for somebody, and attaches that instead of what was approved.
  const mine = { ...rosterRecords()[`key/${fingerprintOf('grace')}`], status: 'active' };
  const swapped = world.attach({
    type: 'countersign.dev/roster-change/v0',
    from: { version: 1, root: 'b'.repeat(64) },
    to: { version: 2, root: rosterAfter(world.state.roster.records, {}, []) },
    set: { [`key/${keyOf('stranger').public.fingerprint}`]: { ...mine, line: keyOf('stranger').public.line } },
    remove: [],
    possession: [],
  });
  refused(
    world,
    forgedPermit(
      world,
      id,
      editing('ActivateChange', (command) => {
        command['attachments'] = [swapped];
      }),
    ),
    'attachment-missing',
  );
});

test('INV8: a key, enrolled by the server alone, votes', () => {
  const world = new SealedWorld({ policy: oneSeat });
  const key = keyOf('stranger').public;
  const record = {
    status: 'active',
    holder: `person:${personOf('linus')}`,
    line: key.line,
    level: 'own-key',
    distrusted_from: null,
  };
  const possession = {
    statement: canonicalize({
      type: 'countersign.dev/key-possession/v0',
      ledger: world.ledger,
      tenant: 'main',
      holder: record.holder,
      key: key.fingerprint,
    }),
    signature: '',
  };
  possession.signature = encodeBase64(
    signSsh({ key: keyOf('stranger'), message: possession.statement, namespace: 'countersign-roster@v1' }),
  );
  govern('roster', world.rosterChange({ [`key/${key.fingerprint}`]: record }, [possession]), world);
  const id = world.ask();
  world.accept(world.vote(id, 'linus', {}, 'stranger'));
  world.accept(world.permit(id));
  // Approved by two founders it is in order; without one of them, or proposed by somebody who may not, it is not.
  assert.equal(check(world, world.permitFile(id)).result, 'PASS');
  refused(world, forgedPermit(world, id, without('CastVote', 1)), 'gate-pending', 'replay-differs');
  const governanceGone: Rewrite = (entries) =>
    entries.filter((entry) => !['ActivateChange'].includes(String(entry.command['type'])));
  // Even the request falls: people signed which roster it was made under.
  refused(world, forgedPermit(world, id, governanceGone), 'replay-differs');
});

test('INV8: a policy that nobody approved: the weaker one is attached, or its votes are missing', () => {
  const world = new SealedWorld({ policy: two });
  govern('policy', world.policyChange(oneSeat), world);
  const id = world.permitted(['linus']);
  assert.equal(check(world, world.permitFile(id)).result, 'PASS');
  refused(world, forgedPermit(world, id, without('CastVote', 1)), 'gate-pending', 'replay-differs');
  refused(
    world,
    forgedPermit(world, id, (entries) => entries.filter((entry) => entry.command['type'] !== 'ActivateChange')),
    'replay-differs',
  );
});

test('T13, C15: governance is left out, put in another order, or taken from elsewhere', () => {
  const world = new SealedWorld({ policy: oneSeat });
  govern('roster', world.rosterChange({ 'group/risk': { members: [personOf('vint')] } }), world);
  govern('roster', world.rosterChange({ 'group/risk': { members: [personOf('linus')] } }), world);
  const id = world.permitted(['linus']);
  assert.equal(check(world, world.permitFile(id)).result, 'PASS');
  refused(world, forgedPermit(world, id, without('ActivateChange')), 'roster-stale', 'replay-differs');
  refused(world, forgedPermit(world, id, without('ActivateChange', 1)), 'replay-differs');
  refused(
    world,
    forgedPermit(world, id, (entries) => {
      const [first, second] = [ofType(entries, 'ActivateChange'), ofType(entries, 'ActivateChange', 1)];
      [first.command, second.command] = [second.command, first.command];
      [first.events, second.events] = [second.events, first.events];
      return entries;
    }),
    'request-unknown',
    'file-malformed',
  );
  refused(
    world,
    forgedPermit(world, id, (entries) => {
      for (const [at, entry] of entries.entries()) if (at > 0) object(entry.events[0])['previous'] = '0'.repeat(64);
      return entries;
    }),
    'replay-differs',
  );
});

test('A38, T9: who was revoked, suspended or distrusted counts no more, however the votes are arranged', () => {
  for (const set of [
    { [`key/${fingerprintOf('linus')}`]: { ...rosterRecords()[`key/${fingerprintOf('linus')}`], status: 'revoked' } },
    { [`person/${personOf('linus')}`]: { status: 'suspended', attributes: { team: 'platform' } } },
    { [`key/${fingerprintOf('linus')}`]: { ...rosterRecords()[`key/${fingerprintOf('linus')}`], distrusted_from: 2 } },
    { 'group/platform': { members: [personOf('grace')] } },
  ] as { [key: string]: JsonObject }[]) {
    const world = new SealedWorld({ policy: oneSeat });
    const id = world.ask();
    world.accept(world.vote(id, 'linus'));
    govern('roster', world.rosterChange(set), world);
    world.refuse(world.permit(id), 'gate-lost');
    // As if the change had not been noticed: the insider writes the permit all the same.
    const twin = new SealedWorld({ policy: oneSeat });
    const same = twin.ask();
    assert.equal(same, id);
    twin.accept(twin.vote(same, 'linus'));
    twin.accept(twin.permit(same));
    refused(
      world,
      forgedPermit(world, id, (entries) => {
        const lost = entries.at(-1);
        assert.ok(lost);
        const permit = { ...twin.stateOf(same).permit, governance: world.state.governance };
        lost.events = [{ type: 'PermitIssued', permit: permit }];
        return entries;
      }),
      'gate-lost',
    );
  }
});
