// SPDX-License-Identifier: Apache-2.0
// SPEC L14 L20: the real `countersign witness serve`, killed while logs with two histories press it.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseCosignerKey, verifyCosignatures } from '../../src/crypto/cosignature.ts';
import { formatVerifierKey } from '../../src/crypto/signed-note.ts';
import { readCheckpointNote } from '../../src/ledger/checkpoint.ts';
import { formatAddCheckpoint } from '../../src/ledger/witness.ts';
import { log, treeOf } from '../adapters/witness-sites.ts';
import { runCli } from '../cli/run-cli.ts';
import { long, pause, startChild } from './killed-child.ts';

const rounds = long ? 30 : 4;
const entries = 400;
const program = join(import.meta.dirname, '..', '..', 'bin', 'countersign.mjs');
// Both histories begin alike and part, so that either can go on from what was cosigned before.
const parting = 3;
const trees = [treeOf(entries), treeOf(entries, 'one', parting)] as const;

type Cosigned = { readonly size: number; readonly root: string; readonly time: number; readonly round: number };

test(`L14: ${rounds} times killed, it cosigned one history, never went back, and its times never did`, async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'countersign-witness-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const dir = join(root, 'witness');
  const made = await runCli(['witness', 'init', '--dir', dir, '--name', 'w.example', '--log', formatVerifierKey(log)]);
  assert.equal(made.code, 0, made.stderr);
  const key = parseCosignerKey(made.stdout.trim());
  assert.ok(key.ok);
  const seen: Cosigned[] = [];
  let unanswered = 0;

  /** Shows ever larger checkpoints of one history, until the witness is gone or will have nothing of this history. */
  const press = async (url: string, tree: (typeof trees)[number], round: number, step: number): Promise<void> => {
    let old = 0;
    for (let to = step; ; ) {
      if (to > entries) return;
      const note = tree.noteAt(to);
      let answer: Response;
      let told: string;
      try {
        const sent = formatAddCheckpoint({ old, proof: tree.proof(old, to), note });
        answer = await fetch(`${url}/add-checkpoint`, { method: 'POST', body: sent });
        told = await answer.text();
      } catch {
        unanswered += 1;
        return;
      }
      if (answer.status === 409) {
        old = Number(told);
        to = Math.max(to, old);
        continue;
      }
      if (answer.status === 422) return;
      assert.equal(answer.status, 200, told);
      const checked = verifyCosignatures(note + told, [key.value]);
      const checkpoint = readCheckpointNote(note);
      assert.ok(checked.ok && checkpoint.ok && checked.value.cosignatures.length === 1);
      const { size, root: of } = checkpoint.value;
      seen.push({ size, root: of, time: checked.value.cosignatures[0]?.time ?? 0, round });
      [old, to] = [to, to + step];
    }
  };

  for (let round = 0; round < rounds; round += 1) {
    const env = { ...process.env, NO_COLOR: '1' };
    const child = startChild(
      process.execPath,
      [program, 'witness', 'serve', '--dir', dir, '--listen', '127.0.0.1:0'],
      env,
    );
    t.after(() => child.kill());
    const url = (await child.line('Listening on')).split(/\s+/).at(-1) ?? '';
    const before = seen.length;
    const pressing = [1, 2, 3, 5].flatMap((step, at) => [
      press(url, trees[at % 2 === 0 ? 0 : 1], round, step),
      press(url, trees[at % 2 === 0 ? 1 : 0], round, step),
    ]);
    const over = Promise.all(pressing).then(() => true);
    while (seen.length < before + 3 && !(await Promise.race([over, pause(5).then(() => false)])));
    await pause(Math.random() * 60);
    const { signal } = await child.kill();
    assert.equal(signal, 'SIGKILL', child.errors());
    await over;
  }
  assert.ok(unanswered > 0 && seen.length >= rounds);
  // One root for each size, and all of one history.
  const roots = new Map<number, string>();
  for (const { size, root: of } of seen) {
    assert.equal(roots.get(size) ?? of, of, `two roots of size ${size}`);
    roots.set(size, of);
  }
  const own = trees.map((tree) => [...roots].filter(([size, of]) => tree.rootAt(size) === of).length);
  assert.ok(own.includes(roots.size), `${own.join(' and ')} of ${roots.size}`);
  // A round only goes on from what every round before was answered, and so do its times.
  for (let round = 1; round < rounds; round += 1) {
    const earlier = seen.filter((one) => one.round < round);
    const later = seen.filter((one) => one.round >= round);
    for (const field of ['size', 'time'] as const)
      assert.ok(
        Math.min(...later.map((one) => one[field])) >= Math.max(...earlier.map((one) => one[field])),
        `${field} went back in round ${round}`,
      );
  }
  t.diagnostic(`${seen.length} cosignatures of ${roots.size} sizes, ${unanswered} calls cut off`);
});
