// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { compilePolicy } from '../../src/policy/compile.ts';
import { formatDiagnostic, type Diagnostic, type PolicyFile } from '../../src/policy/diagnostic.ts';
import { compileRoster, type RosterResult } from '../../src/roster/compile.ts';
import { seedKey } from '../support/seed-key.ts';

const trial = join(import.meta.dirname, '..', '..', 'examples', 'trial');

export const trialPolicyFiles: readonly PolicyFile[] = globSync(join(trial, 'policy', '*.yaml'))
  .sort()
  .map((path) => ({ name: basename(path), text: readFileSync(path, 'utf8') }));
export const trialRosterFile: PolicyFile = {
  name: 'roster.yaml',
  text: readFileSync(join(trial, 'roster.yaml'), 'utf8'),
};

/** A key file's line by its name, of the same keys that the test world signs with. */
export const readSeedKey = (name: string): string => `${seedKey(name.replace(/\.pub$/, '')).public.line} a comment\n`;
export const idOf = (handle: string): string => `p_${handle.replaceAll('-', '_')}0`;

export const compileTrialRoster = (): Extract<RosterResult, { ok: true }> => {
  const compiled = compileRoster(trialRosterFile, { readKey: readSeedKey, idOf });
  assert.ok(compiled.ok, compiled.ok ? '' : compiled.diagnostics.map(formatDiagnostic).join('\n'));
  return compiled;
};

export const compiled = (...files: readonly PolicyFile[]) => {
  const result = compilePolicy(files, { commit: null });
  assert.ok(result.ok, result.ok ? '' : result.diagnostics.map(formatDiagnostic).join('\n'));
  return result;
};

export const diagnosticsOf = (...texts: readonly string[]): readonly Diagnostic[] => {
  const result = compilePolicy(
    texts.map((text, at) => ({ name: `${'abcdefgh'[at] ?? 'x'}.yaml`, text })),
    { commit: null },
  );
  assert.ok(!result.ok, 'expected it to be refused');
  return result.diagnostics;
};
