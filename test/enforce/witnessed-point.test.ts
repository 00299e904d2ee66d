// SPDX-License-Identifier: Apache-2.0
// SPEC Y11: an enforcement point that asks for witnesses of its own.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openEnforcementPoint } from '../../src/enforce/enforce.ts';
import type { WitnessPolicy } from '../../src/ledger/witness-policy.ts';
import { lockedAndWitnessed, policyText, twoOfThree } from '../verify/witnessed-world.ts';

test('Y11: an enforcement point takes no permit that its witnesses did not cosign, or whose lock they saw broken', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-point-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const asks = (name: string, late: number, witnesses: WitnessPolicy | undefined, plain = false): string => {
    const { world, id } = lockedAndWitnessed(late);
    const instance = world.stateOf(id).permit?.audience ?? assert.fail('no permit');
    const point = openEnforcementPoint({
      stateFolder: join(folder, name),
      pin: world.ledger,
      instance,
      allowTrial: true,
      witnesses,
      now: () => world.time,
    });
    assert.ok(point.ok, point.ok ? '' : point.refusal.message);
    const answer = point.value.challenge(plain ? world.permitFile(id) : world.file(id));
    return answer.ok ? 'taken' : answer.refusal.code;
  };
  assert.equal(asks('a', 0, twoOfThree), 'taken');
  assert.equal(asks('b', 0, undefined, true), 'taken');
  assert.equal(asks('c', 0, twoOfThree, true), 'witnesses-too-few');
  assert.equal(asks('d', -60_000, twoOfThree), 'time-lock-not-witnessed');
  assert.equal(asks('e', -60_000, policyText('none')), 'taken');
});
