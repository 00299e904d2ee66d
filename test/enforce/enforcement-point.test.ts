// SPDX-License-Identifier: Apache-2.0
// An enforcement point admits a permit once, for what it is for, at the point it names, and never on anybody's word.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { digestOf } from '../../src/crypto/digest.ts';
import { refuse, type Result } from '../../src/kernel/refusal.ts';
import { challengeValidMs } from '../../src/enforce/challenges.ts';
import {
  enforce,
  openEnforcementPoint,
  type Drawn,
  type EnforcementPoint,
  type PointOptions,
  type Wanted,
} from '../../src/enforce/enforce.ts';
import { formatTlogProof } from '../../src/ledger/tlog-proof.ts';
import { fingerprintOf, hour, minute, personOf, rosterRecords, sign } from '../support/world.ts';
import { forgedPermit } from '../verify/insider.ts';
import { partsFrom, readText, valueOf, writeText } from '../verify/sealed-world.ts';
import { artefact, DeployingWorld, folderFor, offlineAction } from './deploying-world.ts';

const site = artefact({ 'index.html': '<h1>new</h1>' });
const wanted: Wanted = { action: 'deploy.production', target: 'production/shop', facts: { artifact: digestOf(site) } };

const pointOf = (world: DeployingWorld, stateFolder: string, over: Partial<PointOptions> = {}): EnforcementPoint =>
  valueOf(
    openEnforcementPoint({
      stateFolder,
      pin: world.ledger,
      instance: 'web',
      minPersons: 2,
      allowTrial: true,
      now: () => world.time,
      ...over,
    }),
  );
const set = (context: TestContext, world = new DeployingWorld(), over: Partial<PointOptions> = {}) => {
  const folder = folderFor(context);
  return { world, folder, point: pointOf(world, folder, over) };
};
const refused = (result: Result<unknown>, code: string): void => {
  assert.ok(!result.ok, `expected ${code}, but it was admitted`);
  assert.equal(result.refusal.code, code, result.refusal.message);
};
const drawn = (point: EnforcementPoint, file: string): Drawn => valueOf(point.challenge(file, wanted));

test('a permit is admitted once: used at the server over a challenge of this point, proven, marked on disk', (context) => {
  const { world, folder, point } = set(context);
  const id = world.deployment(site);
  const file = world.permitFile(id);
  const first = drawn(point, file);
  assert.equal(first.seen, null);
  const use = world.consume(first);
  const admitted = valueOf(point.admit(file, use, wanted));
  assert.equal(admitted.permit.permit, world.stateOf(id).permit?.permit);
  assert.equal(admitted.verdict.persons, 2);
  assert.ok(existsSync(join(folder, 'used', admitted.permit.permit)));
  refused(point.admit(file, use, wanted), 'permit-used');
  refused(point.challenge(file, wanted), 'permit-used');
  refused(pointOf(world, folder).admit(file, use, wanted), 'permit-used');
});

test('the library call draws, lets the caller use it, and admits; what fails in between admits nothing', async (context) => {
  const { world, point } = set(context);
  const file = world.permitFile(world.deployment(site));
  const failing = await enforce(file, {
    point,
    wanted,
    use: async () => refuse('server-unreachable', 'W7', 'the server does not answer'),
  });
  refused(failing, 'server-unreachable');
  const admitted = await enforce(file, {
    point,
    wanted,
    use: async (one) => ({ ok: true, value: world.consume(one) }),
  });
  assert.ok(admitted.ok);
});

test('X3, C2: another instance, action, target or artefact than the permit is for', (context) => {
  const { world, point } = set(context);
  const file = world.permitFile(world.deployment(site));
  const elsewhere = pointOf(world, folderFor(context), { instance: 'other' });
  refused(elsewhere.challenge(file, wanted), 'permit-wrong-audience');
  refused(point.challenge(file, { ...wanted, action: 'deploy.staging' }), 'permit-wrong-change');
  refused(point.challenge(file, { ...wanted, target: 'production/pay' }), 'permit-wrong-change');
  const use = world.consume(drawn(point, file));
  refused(
    point.admit(file, use, { ...wanted, facts: { artifact: digestOf('something else') } }),
    'permit-wrong-change',
  );
  assert.ok(point.admit(file, use, wanted).ok, 'what was refused for another artefact used nothing up');
});

test('Y2, Y4: its own pin, its own floor, no trial unless it is told', (context) => {
  const world = new DeployingWorld();
  const file = world.permitFile(world.deployment(site));
  refused(pointOf(world, folderFor(context), { minPersons: 3 }).challenge(file, wanted), 'persons-too-few');
  refused(pointOf(world, folderFor(context), { allowTrial: false }).challenge(file, wanted), 'trial-not-allowed');
  const pin = `sha256:${'0'.repeat(64)}`;
  refused(pointOf(world, folderFor(context), { pin }).challenge(file, wanted), 'pin-mismatch');
});

test('X4: by its own clock, whatever the server says the time is', (context) => {
  const { world, point } = set(context);
  const file = world.permitFile(world.deployment(site));
  const use = world.consume(drawn(point, file));
  world.later(16 * minute);
  refused(point.admit(file, use, wanted), 'permit-expired');
});

test('Y8: a challenge is of this point, for this permit, taken once, and soon', (context) => {
  const world = new DeployingWorld({
    timing: { answer_within_ms: 4 * hour, permit_valid_ms: 15 * minute, review_within_ms: hour },
  });
  const { point } = set(context, world);
  const file = world.permitFile(world.deployment(site));
  const other = world.permitFile(world.deployment(site));
  const stranger = pointOf(world, folderFor(context));
  refused(point.admit(file, world.consume(drawn(stranger, file)), wanted), 'challenge-unknown');
  const foreign = drawn(point, file);
  const swapped = { ...drawn(point, other), challenge: foreign.challenge };
  refused(point.admit(other, world.consume(swapped), wanted), 'challenge-unknown');
  const third = world.permitFile(world.deployment(site));
  const late = drawn(point, third);
  const use = world.consume(late);
  world.later(challengeValidMs);
  refused(point.admit(third, use, wanted), 'challenge-unknown');
});

test('Y8: who draws again and again loses the first numbers, and keeps nobody else from drawing', (context) => {
  const { world, point } = set(context);
  const file = world.permitFile(world.deployment(site));
  const first = drawn(point, file);
  for (let at = 0; at < 20; at += 1) assert.ok(point.challenge(file, wanted).ok);
  refused(point.admit(file, world.consume(first), wanted), 'challenge-unknown');
});

test('Y9: the proof is of this use: not of another entry, not of the permit, not signed by somebody else', (context) => {
  const { world, point } = set(context);
  const id = world.deployment(site);
  const file = world.permitFile(id);
  const permitEntry = world.entries.length - 1;
  refused(point.admit(file, world.useAt(permitEntry, null), wanted), 'consumption-not-shown');
  refused(point.admit(file, { kind: 'online', entry: '', proof: '', consistency: [] }, wanted), 'json-malformed');
  const one = drawn(point, file);
  refused(point.admit(file, { kind: 'offline', envelope: world.envelopeFor(one) }, wanted), 'consumption-not-shown');
  const use = world.consume(one);
  refused(point.admit(file, { ...use, proof: world.useAt(permitEntry, null).proof }, wanted), 'proof-invalid');
  const other = world.deployment(site);
  const theirs = world.consume(drawn(point, world.permitFile(other)));
  refused(point.admit(file, theirs, wanted), 'file-malformed');
});

test('INV11: an insider with the log key makes entries as they like, and is not let in', (context) => {
  const { world, point } = set(context);
  const id = world.deployment(site);
  const unvoted = forgedPermit(world, id, (entries) => entries.filter((entry) => entry.command['type'] !== 'CastVote'));
  refused(point.challenge(unvoted, wanted), 'gate-pending');
  const file = world.permitFile(id);
  const one = drawn(point, file);
  // The server writes a consumption that the executor never signed.
  const forgeries = {
    'permit-wrong-executor': world.envelopeFor(one, 'ci', { by: 'machine:ci' }),
    'key-unknown': world.envelopeFor(one, 'stranger'),
    'signature-namespace': sign(JSON.parse(world.envelopeFor(one).statement), 'deployer', 'countersign-vote@v1'),
  };
  for (const [code, envelope] of Object.entries(forgeries)) {
    const index = world.entries.length;
    const entry = { ...JSON.parse(world.entries[index - 1] ?? ''), index };
    const { permit } = one;
    const events = [
      { type: 'PermitConsumed', request: id, permit: permit.permit, challenge: one.challenge, late: false },
    ];
    const text = JSON.stringify({
      command: {
        attachments: [],
        envelope: { signature: envelope.signature, statement: envelope.statement },
        type: 'ConsumePermit',
      },
      events: events.map(({ challenge, late, permit: of, request, type }) => ({
        challenge,
        late,
        permit: of,
        request,
        type,
      })),
      index,
      semantics: 0,
      tenant: 'main',
      time: entry.time,
    });
    world.entries.push(text);
    refused(point.admit(file, world.useAt(index, null), wanted), code);
    world.entries.pop();
  }
});

test('INV11, Y8: a use that was signed over another number is not dressed up as one over the number drawn here', (context) => {
  const { world, point } = set(context);
  const id = world.deployment(site);
  const file = world.permitFile(id);
  // The executor signed this for another copy of the instance, which drew its own number.
  const elsewhere = drawn(pointOf(world, folderFor(context)), file);
  world.consume(elsewhere);
  const here = drawn(point, file);
  const index = world.entries.length - 1;
  const entry = readText(world.entries[index] ?? '');
  const { permit } = here.permit;
  // Put in front by whoever has the log key; it is about a request that the file does not know, and so not derived again.
  const words = { type: 'PermitConsumed', permit, challenge: here.challenge, late: false };
  entry.events.unshift({ ...words, request: id.replace(/.$/, (last) => (last === '0' ? '1' : '0')) });
  world.entries[index] = writeText(entry);
  refused(point.admit(file, world.useAt(index, null), wanted), 'challenge-unknown');
});

test('T13, Y5: after a newer roster was seen here, no permit under the older one, also after a restart', (context) => {
  const { world, folder, point } = set(context);
  const old = world.permitFile(world.deployment(site));
  world.govern('governance.roster', world.rosterChange({ 'group/risk': { members: [personOf('vint')] } }));
  const id = world.deployment(site);
  drawn(point, world.permitFile(id));
  refused(point.challenge(old, wanted), 'governance-stale');
  refused(pointOf(world, folder).challenge(old, wanted), 'governance-stale');
});

test('T5, Y5: a use in another history than the one seen here is not taken', (context) => {
  const { world, folder, point } = set(context);
  const first = world.permitFile(world.deployment(site));
  assert.ok(point.admit(first, world.consume(drawn(point, first)), wanted).ok);
  const id = world.deployment(site);
  const file = world.permitFile(id);
  const reopened = pointOf(world, folder);
  const second = drawn(reopened, file);
  assert.ok(second.seen !== null);
  const use = world.consume(second);
  refused(reopened.admit(file, { ...use, consistency: [] }, wanted), 'proof-invalid');
  // A fork that holds all that the file needs and something else where the first use stood.
  const forked = world.entries.map((text, index) => (index === 4 || index === 5 ? 'another history' : text));
  const parts = partsFrom(forked, [world.entries.length - 1], world.blobs, world.signer, id);
  const index = world.entries.length - 1;
  const shown = formatTlogProof({ index, proof: parts.inclusion(index), checkpoint: parts.checkpoint });
  refused(
    reopened.admit(file, { ...use, proof: shown, consistency: parts.consistency(second.seen.size) }, wanted),
    'proof-invalid',
  );
  assert.ok(reopened.admit(file, use, wanted).ok);
});

test('Y10, T2: a veto that was given here beats the permit, though the server says nothing of it', (context) => {
  const { world, folder, point } = set(context);
  const id = world.deployment(site);
  const file = world.permitFile(id);
  const use = world.consume(drawn(point, file));
  const veto = world.stop(id, 'linus', 'veto');
  assert.ok(veto.type === 'StopRequest');
  refused(point.refuse(sign({ ...JSON.parse(veto.envelope.statement) }, 'stranger'), file), 'key-unknown');
  const bobs = world.stop(id, 'vint', 'veto');
  assert.ok(bobs.type === 'StopRequest');
  refused(point.refuse(bobs.envelope, file), 'veto-not-allowed');
  assert.deepEqual(valueOf(point.refuse(veto.envelope, file)), { judged: true });
  refused(point.admit(file, use, wanted), 'request-vetoed');
  refused(pointOf(world, folder).admit(file, use, wanted), 'request-vetoed');
});

test('Y10: a veto that comes before any permit, with the case; without anything known, it is not taken', (context) => {
  const { world, point } = set(context);
  const id = world.ask({ facts: { service: 'shop', risk: 10, artifact: digestOf(site) } });
  const veto = world.stop(id, 'radia', 'veto');
  assert.ok(veto.type === 'StopRequest');
  refused(point.refuse(veto.envelope), 'key-unknown');
  assert.deepEqual(valueOf(point.refuse(veto.envelope, world.caseFile(id))), { judged: true });
  for (const voter of ['linus', 'radia']) world.accept(world.vote(id, voter));
  world.accept(world.permit(id));
  refused(point.challenge(world.permitFile(id), wanted), 'request-vetoed');
});

test('Y10: a veto without evidence is judged when the permit comes: entitled, it holds; not entitled, it does not', (context) => {
  const { world, point } = set(context);
  drawn(point, world.permitFile(world.deployment(site)));
  const [stopped, free] = [world.deployment(site), world.deployment(site)];
  const veto = world.stop(stopped, 'grace', 'veto');
  const idle = world.stop(free, 'vint', 'veto');
  assert.ok(veto.type === 'StopRequest' && idle.type === 'StopRequest');
  assert.deepEqual(valueOf(point.refuse(veto.envelope)), { judged: false });
  assert.deepEqual(valueOf(point.refuse(idle.envelope)), { judged: false });
  refused(point.challenge(world.permitFile(stopped), wanted), 'request-vetoed');
  assert.ok(point.challenge(world.permitFile(free), wanted).ok);
  const withdrawal = world.stop(free, 'ada', 'withdrawal');
  assert.ok(withdrawal.type === 'StopRequest');
  assert.ok(point.refuse(withdrawal.envelope).ok);
  refused(point.challenge(world.permitFile(free), wanted), 'request-withdrawn');
});

test('Y9, T12: offline only where the change says so; two processes on one folder use a permit once', (context) => {
  const world = new DeployingWorld(offlineAction);
  const folder = folderFor(context);
  const [one, two] = [pointOf(world, folder), pointOf(world, folder)];
  const file = world.permitFile(world.deployment(site));
  const uses = [one, two].map((point) => {
    const challenge = drawn(point, file);
    return () => point.admit(file, { kind: 'offline', envelope: world.envelopeFor(challenge) }, wanted);
  });
  const results = uses.map((use) => use());
  assert.equal(results.filter((result) => result.ok).length, 1);
  refused(results[1] ?? results[0] ?? assert.fail(), 'permit-used');
  const admitted = results[0];
  assert.ok(admitted?.ok);
  // What was used here is reported to the ledger afterwards, also after the permit ended.
  world.later(20 * minute).accept({ type: 'ConsumePermit', envelope: admitted.value.consumption, attachments: [] });
});

test('Y7: a mark is a mark, also when the process died before it wrote anything into it', (context) => {
  const { world, folder, point } = set(context);
  const id = world.deployment(site);
  const file = world.permitFile(id);
  const use = world.consume(drawn(point, file));
  writeFileSync(join(folder, 'used', world.stateOf(id).permit?.permit ?? ''), '');
  refused(point.admit(file, use, wanted), 'permit-used');
});

test('a folder that cannot be written admits nothing', (context) => {
  const { world, folder, point } = set(context);
  const file = world.permitFile(world.deployment(site));
  const use = world.consume(drawn(point, file));
  // Works for root as well: a file stands where the folder of marks should be.
  const used = join(folder, 'used');
  renameSync(used, join(folder, 'gone'));
  writeFileSync(used, '');
  refused(point.admit(file, use, wanted), 'store-io');
});

test('a state folder belongs to one point of one ledger', (context) => {
  const { world, folder } = set(context);
  const options = { stateFolder: folder, pin: world.ledger, instance: 'other', allowTrial: true };
  refused(openEnforcementPoint(options), 'point-mismatch');
  refused(openEnforcementPoint({ ...options, instance: 'web', pin: `sha256:${'0'.repeat(64)}` }), 'point-mismatch');
  refused(openEnforcementPoint({ ...options, stateFolder: folderFor(context), instance: 'No name' }), 'shape-mismatch');
  assert.ok(openEnforcementPoint({ ...options, instance: 'web' }).ok);
});

test('two histories of one length in the folder: nothing is admitted until people have looked', (context) => {
  const { world, folder, point } = set(context);
  const file = world.permitFile(world.deployment(site));
  drawn(point, file);
  writeFileSync(join(folder, 'governance', `${'1'.padStart(16, '0')}-${'f'.repeat(64)}`), '');
  assert.equal(readdirSync(join(folder, 'governance')).length, 2);
  refused(point.challenge(file, wanted), 'governance-stale');
});

test('T9, A38: an executor whose key was revoked, an instance that left: whoever writes the permit all the same is told', (context) => {
  for (const [over, code] of [
    [
      {
        [`key/${fingerprintOf('deployer')}`]: {
          ...rosterRecords()[`key/${fingerprintOf('deployer')}`],
          status: 'revoked',
        },
      },
      'executor-not-allowed',
    ],
    [
      { 'instance/web': { status: 'suspended', actions: ['deploy.production'], operator: 'machine:deployer' } },
      'audience-unknown',
    ],
  ] as const) {
    const { world, point } = set(context);
    const asking = (one: DeployingWorld): string => {
      const id = one.ask({ facts: { service: 'shop', risk: 10, artifact: digestOf(site) } });
      for (const voter of ['linus', 'radia']) one.accept(one.vote(id, voter));
      return id;
    };
    const id = asking(world);
    world.govern('governance.roster', world.rosterChange(over));
    world.refuse(world.permit(id), code);
    const twin = new DeployingWorld();
    assert.equal(asking(twin), id);
    twin.accept(twin.permit(id));
    const issued = readText(twin.entries.at(-1) ?? '');
    const permit = { ...twin.stateOf(id).permit, governance: world.state.governance };
    const forged = forgedPermit(world, id, (entries) => [
      ...entries,
      { ...issued, index: world.entries.length, time: world.time, events: [{ type: 'PermitIssued', permit }] },
    ]);
    refused(point.challenge(forged, wanted), code);
  }
});
