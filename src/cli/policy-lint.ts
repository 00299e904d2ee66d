// SPDX-License-Identifier: Apache-2.0
import { compilePolicy } from '../policy/compile.ts';
import { isError, type Diagnostic } from '../policy/diagnostic.ts';
import { lintPolicy, type LintSetting } from '../policy/lint.ts';
import { policyDigest } from '../policy/policy-shape.ts';
import { policyFactsOf } from '../roster/policy-facts.ts';
import { sealRoster } from '../roster/roster.ts';
import { commitOf } from './git-commit-of.ts';
import { countOf, failWithDiagnostics, githubDiagnostic, prettyDiagnostic } from './diagnostics.ts';
import { openClient } from './open-client.ts';
import type { ClientOptions } from './options.ts';
import { exitCodes, orFail, print, printJson, say, warn } from './output.ts';
import { compileRosterFile, readDocument, readPolicyFiles } from './policy-files.ts';
import { rulesInForce } from './rules-in-force.ts';

export type LintOptions = ClientOptions & {
  readonly roster?: string;
  readonly keys?: string;
  readonly format: 'pretty' | 'github';
};

// The same handle gets the same id in every run; which one is of no account for a check that founds nothing.
const idForCheck = (handle: string): string => `p_${handle.replaceAll('-', '_').padEnd(4, '0').slice(0, 40)}`;

const peopleFor = async (options: LintOptions): Promise<LintSetting | undefined> => {
  if (options.roster !== undefined) {
    const roster = compileRosterFile(options.roster, { keys: options.keys, idOf: idForCheck });
    if (!roster.ok) return failWithDiagnostics(roster.diagnostics);
    const sealed = orFail(sealRoster(1, new Map(Object.entries(roster.records))));
    return { roster: policyFactsOf(sealed, roster.ids), rosterFile: readDocument(options.roster) };
  }
  if (options.server === undefined) return undefined;
  return { roster: policyFactsOf(orFail(await rulesInForce(await openClient(options))).roster) };
};

const tell = (found: readonly Diagnostic[], { json, format }: LintOptions): void => {
  if (json) for (const one of found) printJson(one);
  else if (format === 'github') for (const one of found) print(githubDiagnostic(one));
  else for (const one of found) print(prettyDiagnostic(one));
};

/** `policy lint`: everything that is wrong with the documents, and with what they ask of the people there are. */
export const lint = async (paths: readonly string[], options: LintOptions): Promise<void> => {
  const files = readPolicyFiles(paths);
  const compiled = compilePolicy(files, { commit: commitOf(paths) });
  // What is wrong with the files is said whether or not a roster can be had.
  const people = compiled.ok ? await peopleFor(options) : undefined;
  const found = compiled.ok ? lintPolicy(files, compiled.policy, people ?? {}) : compiled.diagnostics;
  tell(found, options);
  if (compiled.ok && people === undefined)
    warn('no roster was given, so nobody looked whether there are people who can meet the gates; give --roster FILE');
  const inFiles = `in ${files.length} file${files.length === 1 ? '' : 's'}`;
  if (found.some(isError) || !compiled.ok) {
    say(`${countOf(found)} ${inFiles}`);
    process.exitCode = exitCodes.error;
    return;
  }
  const actions = Object.keys(compiled.policy.actions).length;
  say(
    `${found.length === 0 ? 'No problem' : countOf(found)} ${inFiles}: ${actions} actions, ${policyDigest(compiled.policy)} ${compiled.policy.commit === null ? 'outside any commit' : `from ${compiled.policy.commit}`}`,
  );
};
