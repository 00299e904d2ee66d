// SPDX-License-Identifier: Apache-2.0
// SPEC L19: https://c2sp.org/tlog-policy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cosigner, formatCosignerKey, type Cosignature } from '../../src/crypto/cosignature.ts';
import { formatVerifierKey, noteSigner } from '../../src/crypto/signed-note.ts';
import {
  meetsQuorum,
  parseWitnessPolicy,
  policyCosigners,
  quorumTimes,
  type Quorum,
  type WitnessPolicy,
} from '../../src/ledger/witness-policy.ts';
import { propertyRuns } from '../support/property-runs.ts';

const keys = Array.from({ length: 70 }, (_, at) => cosigner(`witness.example/${at}`, Buffer.alloc(32, at + 1)));
const keyOf = (at: number) => keys[at] ?? assert.fail(`no key ${at}`);
const vkey = (at: number): string => formatCosignerKey(keyOf(at));
const logKey = (at: number): string => formatVerifierKey(noteSigner(`log.example/${at}`, Buffer.alloc(32, at + 1)));
const by = (at: number, time = 1_700_000_000): Cosignature => ({ name: keyOf(at).name, id: keyOf(at).id, time });

const read = (text: string): WitnessPolicy => {
  const policy = parseWitnessPolicy(text);
  assert.ok(policy.ok, policy.ok ? '' : policy.refusal.message);
  return policy.value;
};
const witnesses = (count: number): string =>
  Array.from({ length: count }, (_, at) => `witness w${at} ${vkey(at)}\n`).join('');

// The example of the specification, with keys, comments, white space and addresses as it allows them.
const example = `# a policy
log ${logKey(0)}
 \t
witness X1 ${vkey(0)} https://witness.example/x1/
witness X2\t ${vkey(1)}
 witness X3 ${vkey(2)}\t
group X-witnesses 2 X1 X2 X3

\t# two
witness Y1 ${vkey(3)}
witness Y2 ${vkey(4)}
witness Ý3 ${vkey(5)}
group Y-witnesses any Y1 Y2 Ý3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
log ${logKey(1)} https://log.example/
`;

test('L19: the example of the specification asks for two of one group and one of another', () => {
  const policy = read(example);
  assert.deepEqual(
    policy.logs.map(({ key, url }) => [key.name, url]),
    [
      ['log.example/0', undefined],
      ['log.example/1', 'https://log.example/'],
    ],
  );
  assert.deepEqual(
    policy.witnesses.map(({ name }) => name),
    ['X1', 'X2', 'X3', 'Y1', 'Y2', 'Ý3'],
  );
  assert.equal(policy.witnesses[0]?.url, 'https://witness.example/x1/');
  assert.equal(policyCosigners(policy).length, 6);
  for (const [who, enough] of [
    [[], false],
    [[0, 1], false],
    [[0, 3], false],
    [[3, 4, 5], false],
    [[0, 0, 3], false],
    [[0, 1, 3], true],
    [[1, 2, 5], true],
    [[0, 1, 2, 3, 4, 5], true],
  ] as const)
    assert.equal(
      meetsQuorum(
        policy,
        who.map((at) => by(at)),
      ),
      enough,
      who.join(' '),
    );
});

test('L19: times of a quorum are those of the ones it needs, not of the fastest or of a liar', () => {
  const policy = read(`${witnesses(3)}group g 2 w0 w1 w2\nquorum g\n`);
  assert.deepEqual(quorumTimes(policy, [by(0, 10), by(1, 20), by(2, 900)]), { by: 20, notBefore: 20 });
  assert.deepEqual(quorumTimes(policy, [by(0, 1), by(2, 900)]), { by: 900, notBefore: 1 });
  assert.equal(quorumTimes(policy, [by(0, 10), by(0, 20)]), undefined, 'a witness counts once');
  assert.deepEqual(quorumTimes(policy, [by(0, 10), by(0, 30), by(1, 20)]), { by: 20, notBefore: 20 });
  const nobody = read('quorum none\n');
  assert.equal(meetsQuorum(nobody, []), true);
  assert.equal(quorumTimes(nobody, [by(0)]), undefined, 'where nobody is asked nobody vouches for a time');
});

test('L19: one id without its name, or one name with another id, is somebody else', () => {
  const policy = read(`${witnesses(1)}quorum w0\n`);
  assert.equal(meetsQuorum(policy, [by(0)]), true);
  assert.equal(meetsQuorum(policy, [{ ...by(0), name: 'witness.example/1' }]), false);
  assert.equal(meetsQuorum(policy, [{ ...by(0), id: by(1).id }]), false);
});

const refused = (text: string): { readonly message: string; readonly line: unknown } => {
  const policy = parseWitnessPolicy(text);
  assert.ok(!policy.ok, text.slice(0, 200));
  assert.equal(policy.refusal.code, 'witness-policy-malformed');
  assert.equal(policy.refusal.rule, 'L19');
  return { message: policy.refusal.message, line: policy.refusal.facts['line'] };
};

test('L19: what is not written as the specification says is refused, and the refusal names the line', () => {
  const two = witnesses(2);
  const renamed = formatCosignerKey(cosigner('another.example', Buffer.alloc(32, 1)));
  for (const [text, line, why] of [
    ['', undefined, /no line says what the quorum is/],
    [two, undefined, /`quorum none`/],
    ['quorum none', 1, /cut/],
    [`${two}quorum w`, 3, /cut/],
    [`${two}quorum w0\r\n`, 3, /control/],
    ['# \u0000\nquorum none\n', 1, /control/],
    ['quorum none\n\u007f\n', 2, /control/],
    ['quorum\u00a0none\n', 1, /is not log, witness/],
    ['Quorum none\n', 1, /`Quorum`/],
    ['constructor none\n', 1, /is not log, witness/],
    ['quorum\n', 1, /quorum <name>/],
    [`${two}quorum w0 w1\n`, 3, /quorum <name>/],
    [`${two}quorum w0\nquorum w0\n`, 4, /already/],
    [`quorum w0\n${two}`, 1, /`w0` is not defined/],
    [`${two}quorum w9\n`, 3, /`w9` is not defined/],
    ['log\n', 1, /log <vkey>/],
    [`log ${logKey(0)} u v\n`, 1, /log <vkey>/],
    [`log ${vkey(0)}\n`, 1, /type 0x01/],
    [`log ${logKey(0)}\nlog ${logKey(0)}\nquorum none\n`, 2, /same key/],
    ['witness a\n', 1, /witness <name>/],
    [`witness a ${logKey(0)}\n`, 1, /type 0x04/],
    [`witness a ${vkey(0)} u v\n`, 1, /witness <name>/],
    [`witness none ${vkey(0)}\n`, 1, /`none`/],
    [`${two}witness w0 ${vkey(3)}\n`, 3, /defined twice/],
    [`${two}witness again ${vkey(0)}\n`, 3, /same key/],
    [`${two}witness again ${renamed}\n`, 3, /same key/],
    [`${two}group none any w0\n`, 3, /`none`/],
    [`${two}group g any none\n`, 3, /`none` is not defined/],
    [`${two}group w0 any w1\n`, 3, /defined twice/],
    [`${two}group g any\n`, 3, /group <name>/],
    [`${two}group g any g\n`, 3, /`g` is not defined/],
    [`${two}group g some w0\n`, 3, /`some` is not/],
    [`${two}group g 0 w0\n`, 3, /`0` is not/],
    [`${two}group g 3 w0 w1\n`, 3, /`3` is not/],
    [`${two}group g 01 w0 w1\n`, 3, /`01` is not/],
    [`${two}group g 1.5 w0 w1\n`, 3, /`1.5` is not/],
    [`${two}group g 2 w0 w0\n`, 3, /already a member/],
    [`${two}group g any w0\ngroup h any w0 w1\n`, 4, /already a member/],
    [`${two}group g any w0\ngroup h all g w0\n`, 4, /already a member/],
    [witnesses(65), 65, /more than 64 witnesses/],
    [Array.from({ length: 65 }, (_, at) => `log ${logKey(at)}\n`).join(''), 65, /more than 64 logs/],
    [`# ${'x'.repeat(65 * 1024)}\nquorum none\n`, undefined, /larger than/],
    ['# \ud800\nquorum none\n', undefined, /UTF-8/],
  ] as const) {
    const { message, line: told } = refused(text);
    assert.match(message, why);
    assert.equal(told, line, message);
  }
});

test('L19: as many as the specification asks for are read, nested as deep as they go', () => {
  const nested = Array.from(
    { length: 32 },
    (_, at) => `group g${at} all w${at}${at === 0 ? '' : ` g${at - 1}`}\n`,
  ).join('');
  const logs = Array.from({ length: 32 }, (_, at) => `log ${logKey(at)}\n`).join('');
  const policy = read(`${logs}${witnesses(32)}${nested}quorum g31\n`);
  const all = Array.from({ length: 32 }, (_, at) => by(at, 100 + at));
  assert.deepEqual(quorumTimes(policy, all), { by: 131, notBefore: 100 });
  assert.equal(meetsQuorum(policy, all.slice(1)), false);
});

/** A quorum by naming the ones who cosigned: slow and plain. */
const naive = (quorum: Quorum, who: ReadonlySet<string>): boolean => {
  if (quorum.kind === 'none') return true;
  if (quorum.kind === 'witness') return who.has(quorum.key.name);
  return quorum.members.filter((member) => naive(member, who)).length >= quorum.threshold;
};

// Joins names from the left into groups until one is left, as the numbers drawn say.
const drawn = (count: number, draws: readonly number[]): string => {
  const free = Array.from({ length: count }, (_, at) => `w${at}`);
  const lines: string[] = [];
  for (const [at, draw] of draws.entries()) {
    const members = free.splice(0, 1 + (draw % Math.max(1, free.length)));
    lines.push(`group g${at} ${1 + (Math.floor(draw / 7) % members.length)} ${members.join(' ')}\n`);
    free.push(`g${at}`);
  }
  return `${witnesses(count)}${lines.join('')}quorum ${free.at(-1)}\n`;
};

test('L19: quorums and their times are those of a naive model', () => {
  const signed = fc.array(fc.tuple(fc.nat(7), fc.integer({ min: 1, max: 12 })), { maxLength: 12 });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 8 }),
      fc.array(fc.nat(500), { maxLength: 6 }),
      signed,
      (count, draws, pairs) => {
        const policy = read(drawn(count, draws));
        const cosignatures = pairs.map(([at, time]) => by(at, time));
        const met = (of: (time: number) => boolean): boolean =>
          naive(policy.quorum, new Set(cosignatures.filter(({ time }) => of(time)).map(({ name }) => name)));
        assert.equal(
          meetsQuorum(policy, cosignatures),
          met(() => true),
        );
        const times = Array.from({ length: 14 }, (_, time) => time);
        const earliest = times.find((limit) => met((time) => time <= limit));
        const latest = times.findLast((limit) => met((time) => time >= limit));
        const wanted = met(() => true) ? { by: earliest, notBefore: latest } : undefined;
        assert.deepEqual(quorumTimes(policy, cosignatures), wanted);
      },
    ),
    propertyRuns(300),
  );
});

test('L19: no text makes the reader throw', () => {
  const word = fc.constantFrom(
    'log',
    'witness',
    'group',
    'quorum',
    'none',
    'any',
    'all',
    '2',
    'w0',
    'g',
    '#',
    vkey(0),
    logKey(0),
  );
  const line = fc.array(fc.oneof(word, fc.string({ maxLength: 6 })), { maxLength: 6 }).map((words) => words.join(' '));
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
      const policy = parseWitnessPolicy(`${lines.join('\n')}\n`);
      assert.ok(policy.ok || policy.refusal.code === 'witness-policy-malformed');
    }),
    propertyRuns(300),
  );
});
