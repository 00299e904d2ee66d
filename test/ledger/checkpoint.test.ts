// SPDX-License-Identifier: Apache-2.0
// SPEC L2, L3: checkpoints and proof files, as C2SP writes them.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { BrokenInvariant } from '../../src/kernel/refusal.ts';
import {
  formatCheckpoint,
  parseCheckpoint,
  readCheckpointNote,
  signCheckpoint,
  verifyCheckpoint,
} from '../../src/ledger/checkpoint.ts';
import { emptyRoot, leafHash, rootOf } from '../../src/ledger/merkle.ts';
import { inclusionProof } from '../../src/ledger/proof.ts';
import { MerkleSlab } from '../../src/ledger/slab.ts';
import { formatTlogProof, parseTlogProof, verifyTlogProof } from '../../src/ledger/tlog-proof.ts';
import { noteSigner, noteVerifier, signNote } from '../../src/crypto/signed-note.ts';
import { propertyRuns } from '../support/property-runs.ts';
import { logKey, signer } from './tally.ts';

const codeOf = (result: { readonly ok: boolean; readonly refusal?: { readonly code: string } }): string | undefined =>
  result.ok ? undefined : result.refusal?.code;
const root = leafHash('a');
const base64 = Buffer.from(root, 'hex').toString('base64');

describe('checkpoints', () => {
  it('are three lines and what others add, and come back as they were', () => {
    const line = fc.string({ minLength: 1, maxLength: 20 }).filter((text) => !text.includes('\n'));
    fc.assert(
      fc.property(
        line,
        fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
        fc.array(line, { maxLength: 3 }),
        (origin, size, extensions) => {
          const checkpoint = extensions.length === 0 ? { origin, size, root } : { origin, size, root, extensions };
          assert.deepEqual(parseCheckpoint(formatCheckpoint(checkpoint)), { ok: true, value: checkpoint });
        },
      ),
      propertyRuns(100),
    );
  });

  it('SPEC L2: have one text for one value', () => {
    for (const text of [
      '',
      '\n',
      'origin\n',
      'origin\n1\n',
      `origin\n1\n${base64}`,
      `\n1\n${base64}\n`,
      `origin\n01\n${base64}\n`,
      `origin\n-1\n${base64}\n`,
      `origin\n+1\n${base64}\n`,
      `origin\n1 \n${base64}\n`,
      `origin\n1e3\n${base64}\n`,
      `origin\n9007199254740992\n${base64}\n`,
      `origin\n1\n${base64.slice(0, -1)}\n`,
      `origin\n1\n${base64.slice(4)}\n`,
      `origin\n1\n${root}\n`,
      `origin\n1\n${base64}\n\n`,
      `origin\n1\n${base64}\nx\n\n`,
      `origin\n0\n${base64}\n`,
    ])
      assert.equal(codeOf(parseCheckpoint(text)), 'checkpoint-malformed', JSON.stringify(text));
    assert.ok(parseCheckpoint(formatCheckpoint({ origin: 'o', size: 0, root: emptyRoot })).ok);
    for (const wrong of [
      { origin: '', size: 1, root },
      { origin: 'a\nb', size: 1, root },
      { origin: 'o', size: 1.5, root },
      { origin: 'o', size: 1, root: 'x' },
      { origin: 'o', size: 1, root, extensions: [''] },
    ])
      assert.throws(() => formatCheckpoint(wrong), BrokenInvariant);
  });

  it('SPEC L2: hold for the key and origin of their log only', () => {
    const note = signCheckpoint({ origin: signer.name, size: 1, root }, signer);
    assert.deepEqual(verifyCheckpoint(note, logKey), { ok: true, value: { origin: signer.name, size: 1, root } });
    assert.ok(readCheckpointNote(note).ok);
    assert.equal(codeOf(verifyCheckpoint(note, logKey, 'another/log')), 'checkpoint-origin');
    const elsewhere = signCheckpoint({ origin: 'another/log', size: 1, root }, signer);
    assert.equal(codeOf(verifyCheckpoint(elsewhere, logKey)), 'checkpoint-origin');
    const impostor = noteSigner(signer.name, Buffer.alloc(32, 8));
    assert.equal(
      codeOf(verifyCheckpoint(signCheckpoint({ origin: signer.name, size: 1, root }, impostor), logKey)),
      'note-unsigned',
    );
    assert.equal(codeOf(verifyCheckpoint(signNote('not a checkpoint\n', [signer]), logKey)), 'checkpoint-malformed');
    const witness = noteSigner('witness.example/w', Buffer.alloc(32, 3));
    const cosigned = signNote(formatCheckpoint({ origin: signer.name, size: 1, root }), [witness, signer]);
    assert.ok(verifyCheckpoint(cosigned, logKey).ok, 'witnesses may sign too');
  });
});

const slab = new MerkleSlab();
for (let at = 0; at < 21; at += 1) slab.append(leafHash(`entry ${at}`));
const checkpoint = signCheckpoint({ origin: signer.name, size: 21, root: rootOf(slab.edge()) }, signer);
const proofOf = (index: number, extra?: Uint8Array): string =>
  formatTlogProof({
    index,
    proof: inclusionProof(21, index, slab.hashAt),
    checkpoint,
    ...(extra === undefined ? {} : { extra }),
  });

describe('proof files', () => {
  it('SPEC L3: prove every entry, alone and offline, and come back as they were', () => {
    for (let index = 0; index < 21; index += 1) {
      const text = proofOf(index);
      const proven = verifyTlogProof(text, leafHash(`entry ${index}`), logKey);
      assert.ok(proven.ok && proven.value.index === index && proven.value.checkpoint.size === 21);
      const parsed = parseTlogProof(text);
      assert.ok(parsed.ok);
      assert.equal(formatTlogProof(parsed.value), text);
      for (const other of [index + 1, index - 1])
        assert.ok(!verifyTlogProof(text, leafHash(`entry ${other}`), logKey).ok);
    }
  });

  it('carry extra data that nothing authenticates', () => {
    const text = proofOf(3, Buffer.from('note'));
    const parsed = parseTlogProof(text);
    assert.ok(parsed.ok);
    assert.equal(Buffer.from(parsed.value.extra ?? []).toString(), 'note');
    assert.equal(formatTlogProof(parsed.value), text);
    assert.ok(verifyTlogProof(text, leafHash('entry 3'), logKey).ok);
    assert.ok(verifyTlogProof(text.replace(/^extra .*$/m, 'extra AAAA'), leafHash('entry 3'), logKey).ok);
  });

  it('SPEC L3: hold for the log they name', () => {
    const key = noteVerifier('other.example/log', noteSigner('other.example/log', Buffer.alloc(32, 5)).publicKey);
    assert.ok(key.ok);
    assert.equal(codeOf(verifyTlogProof(proofOf(3), leafHash('entry 3'), key.value)), 'note-unsigned');
    assert.equal(codeOf(verifyTlogProof(proofOf(3), leafHash('entry 3'), logKey, 'elsewhere')), 'checkpoint-origin');
  });

  it('SPEC L3: are refused when anything in them is not as it should be', () => {
    const text = proofOf(3);
    for (const wrong of [
      '',
      'x',
      text.replace('@v1', '@v2'),
      text.replace('index 3', 'index 03'),
      text.replace('index 3', 'index -3'),
      text.replace('index 3\n', ''),
      text.replace('index 3', 'index 3 '),
      text.replace('\n\n', '\n'),
      text.replace('index 3', 'extra !\nindex 3'),
      text.replace('index 3', `index 3${'\nAAAA'.repeat(70)}`),
      text.replaceAll('\n', '\r\n'),
    ])
      assert.ok(!parseTlogProof(wrong).ok, JSON.stringify(wrong.slice(0, 50)));
    assert.throws(() => formatTlogProof({ index: -1, proof: [], checkpoint }), BrokenInvariant);
  });

  it('SPEC L3: with one changed character do not hold, and nothing throws', () => {
    const text = proofOf(13);
    const leaf = leafHash('entry 13');
    fc.assert(
      fc.property(
        fc.nat(text.length - 1),
        fc.constantFrom('A', 'b', '0', '7', '\n', ' ', '=', '+', '\ud800', ''),
        (at, put) => {
          const changed = text.slice(0, at) + put + text.slice(at + 1);
          if (changed !== text) assert.ok(!verifyTlogProof(changed, leaf, logKey).ok, JSON.stringify({ at, put }));
        },
      ),
      propertyRuns(500),
    );
    for (let end = 0; end < text.length; end += 1)
      assert.ok(!verifyTlogProof(text.slice(0, end), leaf, logKey).ok, `cut at ${end}`);
  });
});
