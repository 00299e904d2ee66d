// SPDX-License-Identifier: Apache-2.0
// SPEC Y11: a time lock by the clocks of witnesses that the reader names, and what an operator can not make of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cosign, cosigner, formatCosignerKey } from '../../src/crypto/cosignature.ts';
import { formatVerifierKey, noteSigner } from '../../src/crypto/signed-note.ts';
import { addMs, type Instant } from '../../src/kernel/instant.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import { signCheckpoint } from '../../src/ledger/checkpoint.ts';
import { leafHash, rootOf } from '../../src/ledger/merkle.ts';
import { consistencyProof, inclusionProof } from '../../src/ledger/proof.ts';
import { parseWitnessPolicy, type WitnessPolicy } from '../../src/ledger/witness-policy.ts';
import { forgetBeginnings } from '../../src/verify/beginnings.ts';
import {
  cosignedNotes,
  formatEvidence,
  formatPermitFile,
  formatVerdict,
  verifyFile,
  type Verdict,
} from '../../src/verify/verify.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import { propertyRuns } from '../support/property-runs.ts';
import { minute } from '../support/world.ts';
import { logSeed, slabOf, valueOf, type SealedWorld } from './sealed-world.ts';
import {
  lock,
  locked,
  lockedAndWitnessed,
  policyText,
  seconds,
  twoOfThree,
  witness,
  WitnessedWorld,
} from './witnessed-world.ts';

const verdictOf = (world: SealedWorld, file: string, policy: WitnessPolicy | undefined = twoOfThree, now?: Instant) =>
  verifyFile(file, { pin: world.ledger, allowTrial: true, witnesses: policy, now });
const passes = (verdict: Verdict): Verdict => {
  assert.deepEqual(
    verdict.reasons.map(({ code, message }) => `${code}: ${message}`),
    [],
  );
  return verdict;
};
const fails = (verdict: Verdict, code: string, message = /./): void => {
  assert.deepEqual(
    verdict.reasons.map((reason) => reason.code),
    [code],
    JSON.stringify(verdict.reasons),
  );
  assert.match(verdict.reasons[0]?.message ?? '', message);
  assert.equal(verdict.permit, null);
};
const limits = (verdict: Verdict): readonly string[] => verdict.notProven.map(({ code }) => code);

test("Y11: with witnesses of the reader a lock is proved; without, time is the operator's clock, as before", () => {
  const { world, id } = lockedAndWitnessed();
  for (const run of ['cold', 'warm']) {
    if (run === 'cold') forgetBeginnings();
    const file = world.file(id);
    const verdict = passes(verdictOf(world, file));
    assert.ok(verdict.proven.includes('witnesses') && verdict.proven.includes('witnessed-lock'));
    assert.ok(!limits(verdict).includes('no-witness'));
    const told = formatVerdict(verdict);
    assert.match(told, /by the clocks of the witnesses you named the time lock of 15 minutes was kept/);
    assert.match(told, /when anything else happened: beyond what the witnesses saw/);
    assert.doesNotMatch(told, /that the time lock really lasted so long/);
    const blind = passes(verifyFile(file, { pin: world.ledger, allowTrial: true }));
    assert.ok(!blind.proven.includes('witnesses') && limits(blind).includes('no-witness'));
    assert.match(formatVerdict(blind), /that the time lock really lasted so long: time is the operator's clock/);
  }
  // Evidence carries the same part.
  world.accept(world.consumption(id));
  const evidence = valueOf(formatEvidence(world.witnessedParts(id)));
  assert.ok(passes(verdictOf(world, evidence)).proven.includes('witnessed-lock'));
  // A reader who asks for nobody is told what somebody without witnesses is told.
  const nobody = passes(verdictOf(world, world.file(id), policyText('none')));
  assert.ok(limits(nobody).includes('no-witness') && !nobody.proven.includes('witnesses'));
});

test('Y11: the checkpoint of the proof may be smaller, larger or the same as those that were cosigned', () => {
  const { world, id } = lockedAndWitnessed();
  const permitSize = world.entries.length;
  for (let more = 0; more < 5; more += 1) world.ask();
  world.later(minute).cosigned([0, 1]);
  world.ask();
  for (let size = permitSize; size <= world.entries.length; size += 1) passes(verdictOf(world, world.file(id, size)));
  // Cosigned in the proof itself, as c2sp.org/tlog-proof has it.
  const parts = world.parts(id, permitSize);
  const cosigned = world.kept.find(({ size }) => size === permitSize)?.note ?? assert.fail();
  fails(
    verdictOf(world, valueOf(formatPermitFile({ ...parts, checkpoint: cosigned }))),
    'time-lock-not-witnessed',
    /says nothing/,
  );
});

test('Y11: a server that kept the first cosigned notes and the newest one has all that a file needs', () => {
  const { world, id } = lockedAndWitnessed();
  for (let more = 0; more < 3; more += 1) {
    world.ask();
    world.later(1000).cosigned();
  }
  const { notes, consistency } = world.witnessedParts(id).witnessed;
  const covering = (index: number): string | undefined => notes.find(({ size }) => size > index)?.note;
  const met = world.entries.findIndex((text) => text.includes('"GateMet"'));
  const issued = world.entries.findIndex((text) => text.includes('"PermitIssued"'));
  const newest = notes.at(-1)?.note;
  const kept = cosignedNotes([newest, covering(issued), undefined, covering(met), newest]);
  assert.deepEqual(
    kept.map(({ size }) => size),
    [met + 1, issued + 1, world.entries.length],
  );
  const file = valueOf(formatPermitFile({ ...world.parts(id), witnessed: { notes: kept, consistency } }));
  passes(verdictOf(world, file));
  // As long as no witness has come to the permit, the file is as it was without them.
  const none = { notes: cosignedNotes([covering(met)]), consistency };
  assert.equal(valueOf(formatPermitFile({ ...world.parts(id), witnessed: none })), world.permitFile(id));
});

test('Y11: too few witnesses, other witnesses, and a quorum that saw only one end are refused', () => {
  const { world, id } = lockedAndWitnessed();
  const plain = world.permitFile(id);
  fails(verdictOf(world, plain), 'witnesses-too-few', /^0 witnesses of the 3/);
  passes(verdictOf(world, plain, policyText('none')));
  const strangers = parseWitnessPolicy(
    `witness x ${formatCosignerKey(cosigner('x', Buffer.alloc(32, 9)))}\nquorum x\n`,
  );
  assert.ok(strangers.ok);
  fails(verdictOf(world, world.file(id), strangers.value), 'witnesses-too-few');
  const all = policyText('q', 'group q all w0 w1 w2');
  for (const [met, permit, code] of [
    [[0, 1, 2], [0, 1], 'witnesses-too-few'],
    [[0, 1], [0, 1, 2], 'time-lock-not-witnessed'],
    [[0, 1, 2], [0, 1, 2], ''],
  ] as const) {
    const other = new WitnessedWorld({ policy: locked });
    const asked = other.ask();
    for (const voter of ['linus', 'radia']) other.accept(other.vote(asked, voter));
    other.cosigned(met);
    other.accept(other.later(lock).permit(asked));
    other.cosigned(permit);
    // The one who was away comes back only when all is over: too late for the lock.
    if (met.length < 3) other.later(1000).cosigned([2]);
    const verdict = verdictOf(other, other.file(asked), all);
    if (code === '') passes(verdict);
    else fails(verdict, code);
    passes(verdictOf(other, other.file(asked)));
  }
});

test('Y11: witnesses of several checkpoints count together, and each once', () => {
  const world = new WitnessedWorld({ policy: locked });
  const id = world.ask();
  for (const voter of ['linus', 'radia']) world.accept(world.vote(id, voter));
  world.cosigned([0]);
  world.ask();
  world.cosigned([1]);
  world.accept(world.later(lock).permit(id));
  world.cosigned([1]);
  const file = world.file(id);
  fails(verdictOf(world, file), 'witnesses-too-few', /^1 witness /);
  world.ask();
  world.later(1000).cosigned([2]);
  passes(verdictOf(world, world.file(id)));
});

test("Y11: a lock that was not kept by the witnesses' clocks is refused, to the second", () => {
  for (const [late, kept] of [
    [0, true],
    [-1000, false],
    [-lock, false],
    [60_000, true],
  ] as const) {
    const { world, id } = lockedAndWitnessed(late);
    const verdict = verdictOf(world, world.file(id));
    if (kept) passes(verdict);
    else fails(verdict, 'time-lock-not-witnessed', /is no 15 minutes/);
  }
  // One witness that lies about one end, or about both, changes nothing where two are asked for.
  const { world, id } = lockedAndWitnessed(-1000);
  world.cosigned([2], 3_600_000);
  fails(verdictOf(world, world.file(id)), 'time-lock-not-witnessed');
  passes(verdictOf(world, world.file(id), policyText('q', 'group q any w0 w1 w2')));
});

test('Y11: a reader with a clock takes no cosignature from the future', () => {
  const { world, id } = lockedAndWitnessed();
  passes(verdictOf(world, world.file(id), twoOfThree, world.time));
  const early = lockedAndWitnessed(10 * minute);
  fails(verdictOf(early.world, early.world.file(early.id), twoOfThree, early.world.time), 'witnesses-too-few');
});

test('Y11: a policy that names logs has to name this one', () => {
  const { world, id } = lockedAndWitnessed();
  const own = formatVerifierKey(world.signer);
  const other = formatVerifierKey(noteSigner(world.signer.name, Buffer.alloc(32, 77)));
  passes(verdictOf(world, world.file(id), policyText('q', 'group q 2 w0 w1 w2', `log ${own}`)));
  passes(verdictOf(world, world.file(id), policyText('q', 'group q 2 w0 w1 w2', `log ${other}`, `log ${own}`)));
  fails(
    verdictOf(world, world.file(id), policyText('q', 'group q 2 w0 w1 w2', `log ${other}`)),
    'witness-policy-malformed',
    /none of the logs/,
  );
  // The log's own key as a cosigner: the operator's clock by another name.
  const itself = formatCosignerKey(cosigner('w9.example', logSeed));
  const own9 = policyText('q', `witness w9 ${itself}`, 'group q 2 w0 w1 w9');
  fails(verdictOf(world, world.file(id), own9), 'witness-policy-malformed', /log's own key/);
});

test('a permit without a lock needs its quorum and nothing else', () => {
  const world = new WitnessedWorld();
  const id = world.permitted();
  world.cosigned([0, 2]);
  const file = world.file(id);
  assert.match(file, /"proofs":\[\]/);
  const verdict = passes(verdictOf(world, file));
  assert.ok(verdict.proven.includes('witnesses') && !verdict.proven.includes('witnessed-lock'));
  assert.ok(limits(verdict).includes('time-operators-clock') && !limits(verdict).includes('no-witness'));
});

// What an operator can do who has database and log key, and waits for witnesses as everybody does.
test('Y11 INV11: an operator cannot date a vote back that came after the witnesses', () => {
  const world = new WitnessedWorld({ policy: locked });
  const id = world.ask();
  world.accept(world.later(minute).vote(id, 'linus'));
  // Witnesses cosign; radia has not voted yet. The lock passes, and only then comes the second vote.
  world.cosigned();
  world.accept(world.vote(id, 'radia'));
  world.accept(world.later(lock).permit(id));
  world.cosigned();
  // By its own clock the operator wrote the vote in time: whoever asks no witness believes it.
  passes(verifyFile(world.permitFile(id), { pin: world.ledger, allowTrial: true }));
  fails(verdictOf(world, world.file(id)), 'time-lock-not-witnessed');
});

test('Y11 INV11: a witnessed entry that says the gate was met does not stand for votes that were not there', () => {
  // The real history: linus' vote, radia's vote which meets the gate. The operator tells the witnesses another one, in
  // which the entry of radia stands and the place of linus' vote is taken by something else, so that it can come later.
  const world = new WitnessedWorld({ policy: locked });
  const id = world.ask();
  const place = world.entries.length;
  // Radia signs before linus does, so that what she had seen says nothing of his vote.
  const second = world.vote(id, 'radia');
  world.accept(world.vote(id, 'linus'));
  world.accept(second);
  world.accept(world.later(lock).permit(id));
  const told = world.entries.map((text, at) => (at === place ? `${text} ` : text));
  const { slab } = slabOf(told);
  const noteAt = (size: number, time: number): string => {
    const { edge } = slabOf(told.slice(0, size));
    const note = signCheckpoint({ origin: world.signer.name, size, root: rootOf(edge) }, world.signer);
    return note + [0, 1, 2].map((at) => cosign(note.slice(0, note.indexOf('\n\n') + 1), witness(at), time)).join('');
  };
  const now = seconds(world.time);
  const consistency = (from: number, to: number): readonly string[] => consistencyProof(from, to, slab.hashAt);
  const size = told.length;
  const file = valueOf(
    formatPermitFile({
      ...world.parts(id),
      checkpoint: noteAt(size, now),
      inclusion: (index) => inclusionProof(size, index, slab.hashAt),
      consistency: (from) => consistency(from, size),
      witnessed: {
        notes: [
          { size: place + 2, note: noteAt(place + 2, now - lock / 1000) },
          { size, note: noteAt(size, now) },
        ],
        consistency,
      },
    }),
  );
  const verdict = verdictOf(world, file);
  assert.ok(
    verdict.reasons.some(({ code }) => code === 'proof-invalid'),
    JSON.stringify(verdict.reasons),
  );
  assert.equal(verdict.result, 'FAIL');
});

type Part = { checkpoints: { checkpoint: string; hashes: string[] }[]; proofs: string[][] };
const withPart = (file: string, change: (part: Part, whole: { [field: string]: unknown }) => void): string => {
  const whole = JSON.parse(file) as { [field: string]: unknown };
  change(whole['witnessed'] as Part, whole);
  return canonicalize(whole as JsonObject);
};

test('Y11: each thing that is left out, added or changed in the part refuses the file', () => {
  const { world, id } = lockedAndWitnessed();
  world.ask();
  world.later(minute).cosigned();
  const file = world.file(id);
  const other = new WitnessedWorld({ policy: locked, time: addMs(world.time, 1) });
  const cases: { readonly [what: string]: (part: Part, whole: { [field: string]: unknown }) => void } = {
    'no part': (_, whole) => delete whole['witnessed'],
    'no checkpoint': (part) => part.checkpoints.splice(0),
    'no proof': (part) => part.proofs.splice(0),
    'one proof less': (part) => part.proofs.pop(),
    'one proof more': (part) => part.proofs.push([]),
    'proofs in another order': (part) => part.proofs.splice(0, Infinity, ...part.proofs.toReversed()),
    'a hash changed': (part) => (part.proofs[0] ??= []).splice(0, 1, leafHash('x')),
    'consistency changed': (part) => part.checkpoints[0]?.hashes.splice(0, 1, leafHash('x')),
    'consistency too long': (part) => part.checkpoints[0]?.hashes.push(leafHash('x')),
    'the log did not sign': (part) => {
      for (const one of part.checkpoints) one.checkpoint = one.checkpoint.replace(/\n\n— .*\n/, '\n\n');
    },
    'another log': (part) =>
      part.checkpoints.push({ checkpoint: other.checkpoint().note.replaceAll('/0', '/1'), hashes: [] }),
    'a cosignature changed': (part) => {
      for (const one of part.checkpoints)
        one.checkpoint = one.checkpoint.replace(
          /(— w1\.example .{40})(.)/,
          (_, a: string, b: string) => a + (b === 'A' ? 'B' : 'A'),
        );
    },
    'an unknown field': (part) => Object.assign(part, { more: [] }),
    'the size of another': (part) => {
      for (const one of part.checkpoints) one.checkpoint = one.checkpoint.replace(/\n\d+\n/, '\n1\n');
    },
  };
  passes(
    verdictOf(
      world,
      withPart(file, () => undefined),
    ),
  );
  for (const [what, change] of Object.entries(cases))
    assert.equal(verdictOf(world, withPart(file, change)).result, 'FAIL', what);
  // Without witnesses of one's own only the cosignatures go unread; a part that is no part of this history is refused.
  for (const [what, change] of Object.entries(cases)) {
    const alike = ['no part', 'no checkpoint', 'a cosignature changed'].includes(what);
    const verdict = verifyFile(withPart(file, change), { pin: world.ledger, allowTrial: true });
    assert.equal(verdict.result, alike ? 'PASS' : 'FAIL', what);
  }
});

test("Y11: whatever the witnesses' clocks say, a lock passes only when a quorum saw both ends far enough apart", () => {
  const time = fc.integer({ min: -40 * 60, max: 40 * 60 });
  fc.assert(
    fc.property(fc.tuple(time, time, time), fc.tuple(time, time, time), (met, permit) => {
      const world = new WitnessedWorld({ policy: locked });
      const id = world.ask();
      for (const voter of ['linus', 'radia']) world.accept(world.vote(id, voter));
      for (const at of [0, 1, 2]) world.cosigned([at], (met[at] ?? 0) * 1000);
      world.accept(world.later(lock).permit(id));
      for (const at of [0, 1, 2]) world.cosigned([at], (permit[at] ?? 0) * 1000);
      const base = lock / 1000;
      // A checkpoint that holds the permit holds the votes too: whichever a witness signed earlier counts.
      const firsts = [0, 1, 2].map((at) => Math.min(met[at] ?? 0, base + (permit[at] ?? 0)));
      const [, by = 0] = firsts.toSorted((a, b) => a - b);
      const [, notBefore = 0] = permit.map((one) => base + one).toSorted((a, b) => b - a);
      const verdict = verdictOf(world, world.file(id));
      assert.equal(verdict.result, notBefore - by >= base ? 'PASS' : 'FAIL', `${notBefore} - ${by}`);
    }),
    propertyRuns(15),
  );
});
