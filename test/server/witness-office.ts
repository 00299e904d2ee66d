// SPDX-License-Identifier: Apache-2.0
// A witness in a folder of its own, served in this process with a clock that the test sets.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { verifyCosignatures, type CosignerVerifier } from '../../src/crypto/cosignature.ts';
import { formatVerifierKey } from '../../src/crypto/signed-note.ts';
import { makeWitnessFolder } from '../../src/server/witness-folder.ts';
import { startWitness, type RunningWitness, type WitnessServerOptions } from '../../src/server/witness-server.ts';
import { log } from '../adapters/witness-sites.ts';

export type Office = {
  readonly dir: string;
  readonly key: CosignerVerifier;
  readonly logged: () => string;
  readonly start: (options?: Partial<WitnessServerOptions>) => Promise<RunningWitness>;
};

export const office = (t: TestContext, logs: readonly string[] = [formatVerifierKey(log)]): Office => {
  const root = mkdtempSync(join(tmpdir(), 'countersign-witness-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const dir = join(root, 'witness');
  const made = makeWitnessFolder(dir, 'witness.example/w1', logs, (file, text) =>
    writeFileSync(file, text, { mode: 0o600 }),
  );
  assert.ok(made.ok, made.ok ? '' : made.refusal.message);
  let lines = '';
  return {
    dir,
    key: made.value,
    logged: () => lines,
    start: async (options = {}) => {
      const started = await startWitness({
        dir,
        log: (more) => {
          lines += more;
        },
        fatal: (error) => assert.fail(String(error)),
        ...options,
      });
      assert.ok(started.ok, started.ok ? '' : started.refusal.message);
      t.after(() => started.value.stop());
      return started.value;
    },
  };
};

export type Told = { readonly status: number; readonly type: string; readonly body: string };
export const add = async (url: string, body: string | Uint8Array): Promise<Told> => {
  const answer = await fetch(`${url}/add-checkpoint`, { method: 'POST', body: Buffer.from(body), redirect: 'manual' });
  return { status: answer.status, type: answer.headers.get('content-type') ?? '', body: await answer.text() };
};

/** The time of a cosignature that holds for the note. */
export const timeOf = (note: string, lines: string, key: CosignerVerifier): number => {
  const checked = verifyCosignatures(note + lines, [key]);
  assert.ok(checked.ok, checked.ok ? '' : checked.refusal.message);
  assert.equal(checked.value.cosignatures.length, 1);
  return checked.value.cosignatures[0]?.time ?? 0;
};
