// SPDX-License-Identifier: Apache-2.0
// `countersign demo --json` on real things: git, ssh-keygen, processes of their own. Every promise of the demo is a step.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const main = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts');

/** What the demo promises, in order. A step that is missing here or there fails. */
const promised = `
  keys genesis server target request low-fact-lowers-nothing authors-by-signature own-vote author-vote
  agent-vote agent-owner agent-driver forged-author posing-author first-vote one-is-not-enough second-key
  copied-vote second-vote time-lock permit changed-artefact deploy new-version-served same-permit-again result
  veto vetoed-stays-so emergency emergency-alert emergency-not-alone emergency-commander emergency-deploy
  emergency-debt debt-raises-the-bar emergency-ends-by-itself review-by-involved review verify-offline
  verify-other-pin ssh-keygen-verify insider-forged-votes insider-enrolled-key target-unmoved damage-named
  quarantine quarantine-stops restored
`
  .trim()
  .split(/\s+/);

test('the demo holds every step it promises, and leaves what proves it', { timeout: 180_000 }, () => {
  const keep = mkdtempSync(join(tmpdir(), 'countersign-demo-test-'));
  try {
    const done = spawnSync(process.execPath, [main, 'demo', '--json', '--keep', join(keep, 'demo')], {
      encoding: 'utf8',
      timeout: 170_000,
    });
    const lines = done.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { step: string; ok: boolean; detail: string });
    assert.deepEqual(
      lines.filter((line) => !line.ok),
      [],
    );
    assert.deepEqual(
      lines.map((line) => line.step),
      promised,
      done.stderr,
    );
    assert.equal(done.status, 0, done.stderr);
    assert.ok(existsSync(join(keep, 'demo', 'evidence.json')));
    for (const folder of ['keys', 'repository', 'data']) assert.ok(existsSync(join(keep, 'demo', folder)), folder);
    assert.doesNotMatch(readFileSync(join(keep, 'demo', 'evidence.json'), 'utf8'), /PRIVATE KEY/);
  } finally {
    rmSync(keep, { recursive: true, force: true });
  }
});
