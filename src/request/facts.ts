// SPDX-License-Identifier: Apache-2.0
import { addMs, type Instant } from '../kernel/instant.ts';
import type { Attachments } from '../kernel/decider.ts';
import { ok, refuse, type JsonValue, type Result } from '../kernel/refusal.ts';
import { factStatement, type FactStatement, type RequestStatement } from '../kernel/statements.ts';
import { digestOf } from '../crypto/digest.ts';
import type { CompiledAction, CompiledFact } from '../policy/compiled.ts';
import { authenticate, type LedgerIdentity, type Signed } from '../roster/authenticate.ts';
import { isAmong, personBehind, personOfKey, type Roster } from '../roster/roster.ts';
import { attributeCommits } from './attribution.ts';
import { decodeCommitEvidence } from './commit-evidence.ts';
import { subjectOf } from './draft.ts';
import type { FactRecord } from './change-document.ts';
import type { GatheredFact, Submission } from './submission.ts';

export type FactSetting = {
  readonly roster: Roster;
  readonly identity: LedgerIdentity;
  readonly action: CompiledAction;
  readonly statement: RequestStatement;
  readonly submission: Submission;
  readonly attachments: Attachments;
  readonly time: Instant;
};
export type Facts = { readonly [name: string]: FactRecord };
export type ResolvedFacts = {
  readonly facts: Facts;
  /** Fingerprints of the keys that attestations and commits behind the facts were signed with; one may stand twice. */
  readonly keys: readonly string[];
};

/** Which values an action's facts have and who vouches for each (SPEC F1–F6). Every declared fact, no other. */
export const resolveFacts = (setting: FactSetting): Result<ResolvedFacts> => {
  const { action, statement } = setting;
  for (const given of Object.keys(statement.facts))
    if (action.facts[given]?.source.kind !== 'requester')
      return refuse(
        'fact-unexpected',
        'F1',
        `fact \`${given}\` is not one that the requester of \`${action.name}\` gives`,
        { fact: given },
        `give ${requesterFacts(action).join(', ') || 'no facts'}`,
      );
  const attested = authenticateAttestations(setting);
  if (!attested.ok) return attested;
  const facts: { [name: string]: FactRecord } = {};
  const keys = attested.value.map((one) => one.key);
  for (const [name, declared] of Object.entries(action.facts)) {
    const resolved = resolveFact(setting, name, declared, attested.value);
    if (!resolved.ok) return resolved;
    facts[name] = resolved.value.record;
    keys.push(...resolved.value.keys);
  }
  return ok({ facts, keys });
};

const requesterFacts = (action: CompiledAction): string[] =>
  Object.entries(action.facts)
    .filter(([, fact]) => fact.source.kind === 'requester')
    .map(([name]) => name);

type Attestations = readonly Signed<FactStatement>[];
type Resolved = { readonly record: FactRecord; readonly keys: readonly string[] };
const unsigned = (record: FactRecord): Result<Resolved> => ok({ record, keys: [] });

const resolveFact = (
  setting: FactSetting,
  name: string,
  declared: CompiledFact,
  attested: Attestations,
): Result<Resolved> => {
  const { source } = declared;
  if (source.kind === 'requester') {
    const value = setting.statement.facts[name];
    if (value === undefined) return missing(setting.action.name, name, `give it with \`--fact ${name}=…\``);
    return unsigned({ value, source: 'requester', vouched: 'requester', by: null, evidence: null });
  }
  if (source.kind === 'attested') {
    const record = resolveAttested(setting, name, source.by, attested);
    return record.ok ? unsigned(record.value) : record;
  }
  const gathered = setting.submission.gathered.find((item) => item.fact === name);
  if (gathered === undefined)
    return missing(
      setting.action.name,
      name,
      `the server's \`${source.adapter}\` adapter did not answer; look at its configuration`,
    );
  const derived =
    source.adapter === 'git'
      ? deriveAuthors(setting, gathered, source.argument)
      : ok({ value: gathered.value, keys: [] });
  if (!derived.ok) return derived;
  const record: FactRecord = {
    value: derived.value.value,
    source: `${source.adapter}(${source.argument})`,
    vouched: 'adapter',
    by: null,
    evidence: gathered.evidence,
  };
  return ok({ record, keys: derived.value.keys });
};

const missing = (action: string, fact: string, help: string) =>
  refuse('fact-missing', 'F2', `fact \`${fact}\` of \`${action}\` is missing`, { action, fact }, help);

// The adapter brings raw commits; who wrote them is worked out here from signatures, so a lying adapter can hide
// commits only by lying about the base, and the permit says that adapters were trusted (SPEC G2, C4, C5).
type Derived = { readonly value: JsonValue; readonly keys: readonly string[] };

const deriveAuthors = (setting: FactSetting, gathered: GatheredFact, argument: string): Result<Derived> => {
  const head = setting.statement.facts[argument];
  const bytes = gathered.evidence === null ? undefined : setting.attachments.get(gathered.evidence);
  if (typeof head !== 'string' || bytes === undefined || digestOf(bytes) !== gathered.evidence)
    return refuse('fact-evidence-missing', 'F4', `the commits behind fact \`${gathered.fact}\` are not attached`, {
      fact: gathered.fact,
    });
  const evidence = decodeCommitEvidence(bytes);
  if (!evidence.ok) return evidence;
  if (evidence.value.head !== head)
    return refuse(
      'fact-evidence-missing',
      'F4',
      `the evidence is for commit \`${evidence.value.head}\`, the request says \`${head}\``,
      { fact: gathered.fact },
    );
  const attributed = attributeCommits({
    ...evidence.value,
    personOfKey: (print) => personOfKey(setting.roster, print),
  });
  return attributed.ok ? ok({ value: attributed.value.authors, keys: attributed.value.keys }) : attributed;
};

const authenticateAttestations = (setting: FactSetting): Result<Attestations> => {
  const signed: Signed<FactStatement>[] = [];
  for (const item of setting.submission.attested) {
    const one = authenticate(setting.roster, setting.identity, item, factStatement);
    if (!one.ok) return one;
    signed.push(one.value);
  }
  return ok(signed);
};

const resolveAttested = (
  setting: FactSetting,
  name: string,
  by: string,
  attested: Attestations,
): Result<FactRecord> => {
  const { statement, action, roster, time } = setting;
  const requester = personBehind(roster, statement.by);
  const subject = subjectOf(statement);
  for (const { statement: fact, principal } of attested) {
    if (fact.fact !== name || fact.action !== action.name || fact.subject !== subject) continue;
    if (fact.not_after <= time || fact.not_after > addMs(time, 30 * 86_400_000)) continue;
    const attester = personBehind(roster, principal);
    // The requester, or a machine of the requester, vouches for nothing (E3, SPEC F5).
    if (
      !isAmong(roster, principal, [by]) ||
      attester === undefined ||
      attester === requester ||
      statement.drivers.includes(attester)
    )
      continue;
    return ok({ value: fact.value, source: `attested(${by})`, vouched: 'attested', by: principal, evidence: null });
  }
  return refuse(
    'fact-unattested',
    'F5',
    `no valid attestation of fact \`${name}\` by \`${by}\` came with the request`,
    { fact: name, by, subject },
    `let \`${by}\`, and not the requester, sign a fact statement for exactly this draft of the request`,
  );
};
