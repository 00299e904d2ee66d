// SPDX-License-Identifier: Apache-2.0
// INV11, votes: whoever has root, the database and the log key writes whatever they like, and no verifier takes it.
import assert from 'node:assert/strict';
import { subjectOf } from '../../src/request/draft.ts';
import { test } from 'node:test';
import type { JsonObject, JsonValue } from '../../src/kernel/refusal.ts';
import { addMs, type Instant } from '../../src/kernel/instant.ts';
import { verifyPermit } from '../../src/verify/verify.ts';
import { fingerprintOf, minute, sign } from '../support/world.ts';
import {
  check,
  editing,
  forgedPermit,
  object,
  ofType,
  oneSeat,
  permitEvent,
  refused,
  two,
  without,
  type Rewrite,
} from './insider.ts';
import { SealedWorld, type EntryFields } from './sealed-world.ts';

test('the tools of these tests change nothing by themselves: an honest file that goes through them passes', () => {
  const world = new SealedWorld({ policy: two });
  const id = world.permitted(['linus', 'radia']);
  assert.equal(
    check(
      world,
      forgedPermit(world, id, (entries) => entries),
    ).result,
    'PASS',
  );
});

test('votes that were never cast: left out of the file, or left out and no longer claimed', () => {
  const world = new SealedWorld({ policy: two });
  const id = world.permitted(['linus', 'radia']);
  refused(world, forgedPermit(world, id, without('CastVote')), 'gate-pending', 'replay-differs');
  refused(
    world,
    forgedPermit(world, id, (entries) => {
      const permit = permitEvent(entries);
      const seats = permit['seats'] as readonly JsonObject[];
      permit['seats'] = seats.slice(1);
      permit['persons'] = 1;
      permit['rests_on'] = (permit['rests_on'] as readonly string[]).filter((leaf) => leaf !== seats[0]?.['vote']);
      return without('CastVote')(entries);
    }),
    'gate-pending',
    'replay-differs',
  );
  refused(
    world,
    forgedPermit(world, id, (entries) => entries.filter((entry) => entry.command['type'] !== 'CastVote')),
    'gate-pending',
  );
});

test('A04, C21: one vote that is claimed for both seats, or twice over', () => {
  const world = new SealedWorld({ policy: two });
  const id = world.permitted(['grace', 'radia']);
  const second = (entries: readonly EntryFields[]): EntryFields => ofType(entries, 'CastVote', 1);
  refused(
    world,
    forgedPermit(world, id, (entries) => {
      const vote = second(entries);
      vote.command = ofType(entries, 'CastVote').command;
      return entries;
    }),
    'vote-already-cast',
  );
  refused(
    world,
    forgedPermit(world, id, (entries) => {
      const permit = permitEvent(entries);
      const [first] = permit['seats'] as readonly JsonObject[];
      permit['seats'] = [first ?? {}, { ...first, seat: 'security' }];
      return without('CastVote', 1)(entries);
    }),
    'gate-pending',
    'replay-differs',
  );
});

test('V3, A05: the same person again with a second key', () => {
  const world = new SealedWorld({ policy: two });
  const id = world.permitted(['grace', 'radia']);
  refused(
    world,
    forgedPermit(
      world,
      id,
      editing(
        'CastVote',
        (command, entry) => {
          const seen = { size: entry.index, root: 'a'.repeat(64) };
          const again = world.vote(id, 'grace', { seats: ['security'], seen }, 'grace-second');
          assert.ok(again.type === 'CastVote');
          command['envelope'] = again.envelope;
        },
        1,
      ),
    ),
    'vote-already-cast',
  );
});

test('A01, INV1, INV10: a vote of the producer, of a machine, of nobody in the roster, under the name of another', () => {
  const world = new SealedWorld({ policy: oneSeat });
  const id = world.permitted(['grace']);
  const voting = (by: string, over: JsonObject = {}, key = by): Rewrite =>
    editing('CastVote', (command, entry) => {
      const vote = world.vote(id, by, { seen: { size: entry.index, root: 'a'.repeat(64) }, ...over }, key);
      assert.ok(vote.type === 'CastVote');
      command['envelope'] = vote.envelope;
    });
  refused(world, forgedPermit(world, id, voting('ada')), 'vote-by-producer');
  refused(world, forgedPermit(world, id, voting('grace', { by: 'machine:agent' }, 'agent')), 'vote-by-machine');
  refused(world, forgedPermit(world, id, voting('grace', {}, 'stranger')), 'key-unknown');
  refused(world, forgedPermit(world, id, voting('grace', {}, 'ada')), 'key-of-another');
  refused(world, forgedPermit(world, id, voting('radia', { seats: ['platform'] })), 'vote-not-entitled');
});

test('T6: a vote for another request, revision, change, ledger or decision', () => {
  const world = new SealedWorld({ policy: oneSeat });
  const other = world.permitted(['grace']);
  const id = world.permitted(['linus']);
  const stolen = world.stateOf(other);
  const replaced = (over: JsonObject): Rewrite =>
    editing('CastVote', (command, entry) => {
      const vote = world.vote(id, 'grace', { seen: { size: entry.index, root: 'a'.repeat(64) }, ...over });
      assert.ok(vote.type === 'CastVote');
      command['envelope'] = vote.envelope;
    });
  refused(
    world,
    forgedPermit(
      world,
      id,
      editing('CastVote', (command) => {
        const votes = world.entries.map((text) => text).filter((text) => text.includes('"CastVote"'));
        command['envelope'] = (JSON.parse(votes[0] ?? '') as { command: { envelope: JsonValue } }).command.envelope;
      }),
    ),
    'request-unknown',
  );
  refused(world, forgedPermit(world, id, replaced({ request: other })), 'request-unknown');
  refused(world, forgedPermit(world, id, replaced({ change: stolen.digest })), 'vote-wrong-change');
  refused(world, forgedPermit(world, id, replaced({ revision: 2 })), 'revision-stale');
  refused(world, forgedPermit(world, id, replaced({ ledger: `sha256:${'1'.repeat(64)}` })), 'statement-elsewhere');
  refused(world, forgedPermit(world, id, replaced({ tenant: 'other' })), 'statement-elsewhere');
  refused(world, forgedPermit(world, id, replaced({ decision: 'reject' })), 'replay-differs');
});

test('T7: a signature made for something else does not count as a vote', () => {
  const world = new SealedWorld({ policy: oneSeat });
  const id = world.permitted(['linus']);
  const vote = world.vote(id, 'grace', { seen: { size: 1, root: 'a'.repeat(64) } });
  assert.ok(vote.type === 'CastVote');
  const statement = JSON.parse(vote.envelope.statement) as JsonObject;
  for (const namespace of ['countersign-login@v1', 'countersign-veto@v1', 'git'])
    refused(
      world,
      forgedPermit(
        world,
        id,
        editing('CastVote', (command) => {
          command['envelope'] = sign(statement, 'grace', namespace);
        }),
      ),
      'signature-namespace',
    );
});

test('INV3: what was asked is changed after people signed: facts, reason, server nonce, time, gathered values', () => {
  const world = new SealedWorld({ policy: oneSeat });
  const id = world.permitted(['linus']);
  const submission = (edit: (command: { [field: string]: JsonValue }, entry: EntryFields) => void): string =>
    forgedPermit(world, id, editing('SubmitRequest', edit));
  refused(
    world,
    submission((command) => {
      const envelope = object(command['envelope']);
      envelope['statement'] = String(envelope['statement']).replace('"shop"', '"pay"');
    }),
    'signature-invalid',
  );
  refused(
    world,
    submission((command) => {
      command['server_nonce'] = '0'.repeat(16);
    }),
    'request-id-mismatch',
  );
  // The requester helps: signs another statement with the same nonce. The change is another one, and nobody voted for it.
  refused(
    world,
    submission((command) => {
      const statement = JSON.parse(String(object(command['envelope'])['statement'])) as JsonObject;
      command['envelope'] = sign({ ...statement, facts: { service: 'pay', risk: 10 } }, 'ada');
    }),
    'fact-unattested',
  );
  // So does whoever attested: what was vouched for fits the new facts, and still nobody voted for them.
  refused(
    world,
    submission((command) => {
      const statement = JSON.parse(String(object(command['envelope'])['statement'])) as JsonObject;
      const other = { ...statement, facts: { service: 'pay', risk: 10 } };
      command['envelope'] = sign(other, 'ada');
      const subject = subjectOf(other as unknown as Parameters<typeof subjectOf>[0]);
      command['attested'] = [world.attest('tested', true, subject)];
    }),
    'replay-differs',
  );
  refused(
    world,
    submission((_command, entry) => {
      entry.time = addMs(entry.time as Instant, -minute);
    }),
    'replay-differs',
    'file-malformed',
  );
  refused(
    world,
    submission((command) => {
      command['attested'] = [];
    }),
    'fact-unattested',
  );
});

test('INV3: the same, with every claimed digest set to what now follows: the votes do not name it', () => {
  const world = new SealedWorld({ policy: oneSeat });
  const id = world.permitted(['linus']);
  const honest = world.stateOf(id).digest;
  const twin = new SealedWorld({ policy: oneSeat });
  const asked = twin.request({ facts: { service: 'pay', risk: 10 } });
  twin.accept(asked);
  const now = twin.stateOf(asked.request).digest;
  assert.equal(asked.request, id);
  refused(
    world,
    forgedPermit(world, id, (entries) =>
      entries.map((entry) => {
        if (entry.command['type'] === 'SubmitRequest') entry.command = asked;
        entry.events = JSON.parse(
          JSON.stringify(entry.events)
            .replaceAll(honest, now)
            .replaceAll(honest.slice(7, 33), now.slice(7, 33))
            .replaceAll('production/shop', 'production/pay'),
        ) as JsonObject[];
        return entry;
      }),
    ),
    'vote-wrong-change',
  );
});

test('any field of the permit itself, changed', () => {
  const world = new SealedWorld({ policy: oneSeat });
  const id = world.permitted(['linus']);
  const permit = world.stateOf(id).permit;
  assert.ok(permit);
  const changes: { [field: string]: JsonValue } = {
    executor: { key: fingerprintOf('ci'), principal: 'machine:ci' },
    audience: 'other',
    target: 'production/pay',
    action: 'deploy.staging',
    content: `sha256:${'2'.repeat(64)}`,
    change: `sha256:${'2'.repeat(64)}`,
    enforced: 'advisory',
    emergency: true,
    consume: 'offline',
    persons: 7,
    seats: [],
    gate_met_at: '2020-01-01T00:00:00.000Z',
    issued_at: '2020-01-01T00:00:00.000Z',
    expires_at: '2099-01-01T00:00:00.000Z',
    governance: '0'.repeat(64),
    rests_on: [],
    permit: `pmt_${'0'.repeat(26)}`,
    revision: 2,
    tenant: 'other',
    ledger: `sha256:${'2'.repeat(64)}`,
  };
  assert.deepEqual(
    Object.keys(changes).sort(),
    Object.keys(permit)
      .filter((field) => field !== 'type' && field !== 'request')
      .sort(),
    'every field is tried',
  );
  for (const [field, value] of Object.entries(changes))
    refused(
      world,
      forgedPermit(world, id, (entries) => {
        permitEvent(entries)[field] = value;
        return entries;
      }),
      'replay-differs',
    );
});

test('T1: a permit before its lock is over, dated forward, or with a gate dated back', () => {
  const world = new SealedWorld({ policy: two });
  const id = world.permitted(['linus', 'radia']);
  refused(
    world,
    forgedPermit(
      world,
      id,
      editing('IssuePermit', (_command, entry) => {
        entry.time = addMs(entry.time as Instant, -1);
      }),
    ),
    'timelock-running',
  );
  const file = world.permitFile(id);
  const limit = check(world, file).notProven.find((one) => one.code === 'time-operators-clock');
  assert.equal(limit?.values['time_lock_ms'], 15 * minute);
  // Issued at once and dated forward: a reader with a clock sees that this moment has not come.
  const now = addMs(world.time, -15 * minute);
  const dated = verifyPermit(file, { pin: world.ledger, allowTrial: true, now });
  assert.equal(dated.reasons[0]?.code, 'permit-not-yet-valid');
  // The gate dated back before the request: people signed when it was made.
  refused(
    world,
    forgedPermit(world, id, (entries) => {
      for (const entry of entries)
        if (entry.command['type'] === 'CastVote') entry.time = addMs(entry.time as Instant, -minute);
      return entries;
    }),
    'file-malformed',
  );
});
