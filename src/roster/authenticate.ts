// SPDX-License-Identifier: Apache-2.0
import { decodeBase64 } from '../kernel/base64.ts';
import { parseCanonical } from '../kernel/canonical-json.ts';
import { ok, refuse, type Result } from '../kernel/refusal.ts';
import type { Check } from '../kernel/shape.ts';
import { namespaces, type Envelope, type StatementType } from '../kernel/statements.ts';
import { answered, openCheck, parseSshSignature, runCheck } from '../crypto/sshsig.ts';
import type { SignatureCheck, VerifiedSignature } from '../crypto/sshsig.ts';
import type { KeyLevel } from '../policy/compiled.ts';
import { activeKey, activeMachine, activePerson, type Roster } from './roster.ts';

/** Who signed, with which key, and how well that key was held: all of it derived here, never claimed. */
export type Signed<S> = {
  readonly statement: S;
  readonly text: string;
  readonly principal: string;
  readonly key: string;
  readonly level: KeyLevel;
  /** Signed outside any page that our server sends: a command line, or an origin that others operate. */
  readonly independent: boolean;
};

type SpeakerStatement = {
  readonly type: string;
  readonly ledger: string;
  readonly tenant: string;
  readonly by: string;
};
export type LedgerIdentity = { readonly ledger: string; readonly tenant: string };

/**
 * Parses a statement once, strictly, and finds out who signed it (SPEC S1–S4): the namespace of its type, this very
 * ledger and tenant, and an active rostered key whose holder is the principal that the statement says it is by.
 */
export const authenticate = <S extends SpeakerStatement>(
  roster: Roster,
  identity: LedgerIdentity,
  envelope: Envelope,
  check: Check<S>,
): Result<Signed<S>> => {
  const parsed = readStatement(envelope.statement, check);
  if (!parsed.ok) return parsed;
  const statement = parsed.value;
  if (statement.ledger !== identity.ledger || statement.tenant !== identity.tenant)
    return refuse(
      'statement-elsewhere',
      'S1',
      `the statement is for ledger \`${statement.ledger}\`, tenant \`${statement.tenant}\``,
      { ...identity },
      'sign a statement for this ledger and tenant',
    );
  const holds = verifyEnvelope(envelope, namespaces[statement.type as StatementType]);
  if (!holds.ok) return holds;
  const print = holds.value.key.fingerprint;
  const record = activeKey(roster, print);
  if (record === undefined)
    return refuse(
      'key-unknown',
      'S3',
      `key \`${print}\` is not an active key of the roster`,
      { key: print },
      'sign with an enrolled key, or enrol this one by a roster change',
    );
  if (record.distrusted_from !== null)
    return refuse(
      'key-distrusted',
      'V5',
      `key \`${print}\` is distrusted from entry ${record.distrusted_from} on`,
      { key: print, distrusted_from: record.distrusted_from },
      'sign with another key of yours, or enrol a new one by a roster change',
    );
  if (record.holder !== statement.by)
    return refuse(
      'key-of-another',
      'S4',
      `key \`${print}\` belongs to \`${record.holder}\`, the statement says \`${statement.by}\``,
      { key: print, holder: record.holder, by: statement.by },
    );
  const origin = checkOrigin(roster, holds.value);
  if (!origin.ok) return origin;
  const [kind, id] = [
    record.holder.slice(0, record.holder.indexOf(':')),
    record.holder.slice(record.holder.indexOf(':') + 1),
  ];
  if ((kind === 'person' ? activePerson(roster, id) : activeMachine(roster, id)) === undefined)
    return refuse('principal-suspended', 'S4', `\`${record.holder}\` is not active in the roster`, {
      principal: record.holder,
    });
  return ok({
    statement,
    text: envelope.statement,
    principal: record.holder,
    key: print,
    level: levelOf(record.level, holds.value),
    independent: origin.value,
  });
};

// The edge looks at a statement before it may wait, deciding looks again, and so does folding: the same text, the same
// answer. Which check read it is part of the question, since a text can be one kind of statement and not another. Both
// memories are small, since strangers can fill them.
const read = new WeakMap<Check<unknown>, Map<string, Result<unknown>>>();
type Known = { readonly statement: string; readonly namespace: string; readonly result: Result<VerifiedSignature> };
const verified = new Map<string, Known>();
const mostKept = 1000;
const longestKept = 4096;

const keep = <V>(memory: Map<string, V>, key: string, value: V, length: number): void => {
  if (length > longestKept) return;
  if (memory.size >= mostKept) memory.delete(memory.keys().next().value ?? '');
  memory.set(key, value);
};

/** Parses a statement strictly, as its kind says. */
export const readStatement = <S>(text: string, check: Check<S>): Result<S> => {
  const known = read.get(check) ?? new Map<string, Result<unknown>>();
  const before = known.get(text);
  if (before !== undefined) return before as Result<S>;
  read.set(check, known);
  const parsed = parseCanonical(text, { maxBytes: 49152 });
  const result = parsed.ok ? check(parsed.value, '') : parsed;
  keep(known, text, result, text.length);
  return result;
};

/** Checks the signature alone: bytes, namespace, key; says nothing about who may have that key. */
export const verifyEnvelope = (envelope: Envelope, namespace: string): Result<VerifiedSignature> => {
  const known = knownResult(envelope, namespace);
  if (known !== undefined) return known;
  const check = openEnvelope(envelope, namespace);
  return remember(envelope, namespace, check.ok ? runCheck(check.value) : check);
};

/** A signature that is not known yet: what to ask the platform, and whom to tell its answer. */
export type PendingCheck = { readonly check: SignatureCheck; readonly settle: (holds: boolean) => void };

/**
 * What `verifyEnvelope` would have to compute, for a caller that computes it elsewhere; undefined when it would compute
 * nothing. `settle` must be given the platform's own answer to this very check: it is remembered as what it means.
 */
export const pendingCheck = (envelope: Envelope, namespace: string): PendingCheck | undefined => {
  // What would not be remembered would be computed twice.
  if (knownResult(envelope, namespace) !== undefined || lengthOf(envelope) > longestKept) return undefined;
  const opened = openEnvelope(envelope, namespace);
  if (!opened.ok) return undefined;
  const check = opened.value;
  return { check, settle: (holds) => void remember(envelope, namespace, answered(holds, check.meaning)) };
};

// Only for the very bytes and the very purpose that it was checked for.
const knownResult = ({ statement, signature }: Envelope, namespace: string): Result<VerifiedSignature> | undefined => {
  const known = verified.get(signature);
  return known?.statement === statement && known.namespace === namespace ? known.result : undefined;
};

const lengthOf = ({ statement, signature }: Envelope): number => statement.length + signature.length;

const remember = (
  envelope: Envelope,
  namespace: string,
  result: Result<VerifiedSignature>,
): Result<VerifiedSignature> => {
  const { statement, signature } = envelope;
  keep(verified, signature, { statement, namespace, result }, lengthOf(envelope));
  return result;
};

const openEnvelope = ({ statement, signature }: Envelope, namespace: string): Result<SignatureCheck> => {
  const blob = decodeBase64(signature);
  if (!blob.ok) return blob;
  const parsed = parseSshSignature(blob.value);
  return parsed.ok ? openCheck({ signature: parsed.value, message: statement, namespace }) : parsed;
};

// The roster's level is a ceiling; presence and verification must show in this signature's own flags (T8).
const levelOf = (enrolled: KeyLevel, verified: VerifiedSignature): KeyLevel =>
  verified.presence && verified.verification ? enrolled : 'own-key';

/** Refuses a passkey assertion from an origin the roster does not list, or made inside another site's frame (T8). */
const checkOrigin = (roster: Roster, { webauthn }: VerifiedSignature): Result<boolean> => {
  if (webauthn === null) return ok(true);
  const record = roster.records.get(`origin/${webauthn.origin}`);
  if (record === undefined || webauthn.crossOrigin || webauthn.topOrigin !== null)
    return refuse(
      'webauthn-origin',
      'S5',
      `a passkey signature from \`${webauthn.origin}\` is not accepted`,
      { origin: webauthn.origin, cross_origin: webauthn.crossOrigin },
      'sign on an origin that the roster lists, in a top-level page',
    );
  return ok(record['independent'] === true);
};
