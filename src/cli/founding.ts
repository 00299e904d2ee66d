// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { digestOf } from '../crypto/digest.ts';
import { canonicalize } from '../kernel/canonical-json.ts';
import type { JsonObject } from '../kernel/refusal.ts';
import type { GenesisStatement } from '../lifecycle/genesis.ts';
import { formatCompiledPolicy, policyDigest } from '../policy/policy-shape.ts';
import type { CompiledPolicy } from '../policy/compiled.ts';
import { loadPolicy } from '../policy/lint.ts';
import { policyFactsOf } from '../roster/policy-facts.ts';
import { rosterRoot, sealRoster } from '../roster/roster.ts';
import { failWithDiagnostics } from './diagnostics.ts';
import type { Names } from './draft-folder.ts';
import { commitOf } from './git-commit-of.ts';
import { orFail, usage } from './output.ts';
import { compileRosterFile, readDocument, readPolicyFiles } from './policy-files.ts';

/** Roster and policy of a ledger to be, compiled and sound for one another. */
export type Plan = {
  readonly records: { readonly [key: string]: JsonObject };
  readonly ids: { readonly [handle: string]: string };
  readonly policy: CompiledPolicy;
  readonly names: Names;
};

/** An id that says nothing about its person: `p_` and 60 random bits in lowercase base 32. */
export const randomPersonId = (): string => {
  const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
  return `p_${[...randomBytes(12)].map((byte) => alphabet[byte & 31]).join('')}`;
};

/** Compiles both, or shows everything that is wrong with them and ends. */
export const readPlan = (
  rosterPath: string,
  policyPaths: readonly string[],
  keys: string | undefined,
  idOf: (handle: string) => string = randomPersonId,
): Plan => {
  const roster = compileRosterFile(rosterPath, { keys, idOf });
  if (!roster.ok) return failWithDiagnostics(roster.diagnostics);
  const sealed = orFail(sealRoster(1, new Map(Object.entries(roster.records))));
  const commit = commitOf(policyPaths);
  const loaded = loadPolicy(readPolicyFiles(policyPaths), {
    commit,
    roster: policyFactsOf(sealed, roster.ids),
    rosterFile: readDocument(rosterPath),
  });
  if (!loaded.ok) return failWithDiagnostics(loaded.diagnostics);
  const titles: { [action: string]: string } = {};
  const runbooks: { [action: string]: string } = {};
  for (const [action, { title, runbook }] of Object.entries(loaded.prose)) {
    titles[action] = title;
    if (runbook !== null) runbooks[action] = runbook;
  }
  return {
    records: roster.records,
    ids: roster.ids,
    policy: loaded.policy,
    names: { people: roster.people, titles, runbooks },
  };
};

/** Ids of people given by handle or id; an unknown one ends the command. */
export const idOfPerson = (plan: Plan, given: string): string => {
  const id = plan.ids[given] ?? given;
  if (plan.records[`person/${id}`] !== undefined) return id;
  return usage(`\`${given}\` is nobody of the roster`, `the roster has ${Object.keys(plan.ids).join(', ')}`);
};

/** The founders: those named, else the members of `group:founders`. */
export const foundersOf = (plan: Plan, named: readonly string[]): readonly string[] => {
  if (named.length > 0) return named.map((one) => idOfPerson(plan, one)).sort();
  const members = plan.records['group/founders']?.['members'];
  if (Array.isArray(members)) return members as readonly string[];
  return usage('nobody is named as a founder', 'give --founder HANDLE for each, or a group `founders` in the roster');
};

/** The bytes of a genesis: the text to sign, and the two documents it names by digest. */
export const composeGenesis = (
  plan: Plan,
  parts: Pick<GenesisStatement, 'trial' | 'founders' | 'threshold' | 'recovery' | 'log_key'>,
): { readonly statement: string; readonly roster: Uint8Array; readonly policy: Uint8Array } => {
  const roster = Buffer.from(canonicalize({ type: 'countersign.dev/roster/v0', records: plan.records }));
  const statement: GenesisStatement & JsonObject = {
    type: 'countersign.dev/genesis/v0',
    tenant: 'main',
    created_at: new Date().toISOString() as GenesisStatement['created_at'],
    nonce: randomBytes(16).toString('hex'),
    ...parts,
    roster: { root: rosterRoot(new Map(Object.entries(plan.records))), document: digestOf(roster) },
    policy: policyDigest(plan.policy),
  };
  return { statement: canonicalize(statement), roster, policy: Buffer.from(formatCompiledPolicy(plan.policy)) };
};
