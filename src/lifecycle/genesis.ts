// SPDX-License-Identifier: Apache-2.0
import type { Attachments } from '../kernel/decider.ts';
import { parseCanonical } from '../kernel/canonical-json.ts';
import { ok, refuse, type JsonObject, type Refused, type Result } from '../kernel/refusal.ts';
import {
  boolean,
  instant,
  integer,
  listOf,
  literal,
  matching,
  nullable,
  shape,
  type Checked,
} from '../kernel/shape.ts';
import { digest, fingerprint, hash, name, personId } from '../kernel/statements.ts';
import { digestOf } from '../crypto/digest.ts';
import { isGovernance } from '../assess/build-change.ts';
import type { CompiledPolicy } from '../policy/compiled.ts';
import { parseCompiledPolicy, policyDigest } from '../policy/policy-shape.ts';
import { firstUnsound } from '../policy/soundness.ts';
import { verifyEnvelope } from '../roster/authenticate.ts';
import { rosterDocument } from '../roster/change.ts';
import { policyFactsOf } from '../roster/policy-facts.ts';
import { sealRoster, type Roster } from '../roster/roster.ts';
import type { CommandOf } from './command.ts';
import { accepted, refused, type Outcome } from './outcome.ts';
import type { Identity } from './state.ts';

/** How the ledger began (FORMATS §3.1): the statement whose digest is the ledger's name and everybody's pin. */
export const genesisStatement = shape({
  type: literal('countersign.dev/genesis/v0'),
  tenant: name,
  created_at: instant,
  /** One person may try alone; marked in the origin of every checkpoint, and never convertible. */
  trial: boolean,
  nonce: matching(/^[0-9a-f]{32}$/, '32 lowercase hex digits'),
  /** Raw Ed25519 public key that signs checkpoints, base64. */
  log_key: matching(/^[A-Za-z0-9+/]{43}=$/, 'a base64 Ed25519 public key'),
  founders: listOf(personId, 64),
  /** Least number of persons that governance needs. */
  threshold: integer(1, 12),
  /** Offline keys, of two persons at least, that can re-found after a wait; null only on trial. */
  recovery: nullable(
    shape({
      holders: listOf(shape({ person: personId, key: fingerprint }), 32),
      threshold: integer(2, 32),
      delay_ms: integer(7 * 86_400_000),
    }),
  ),
  roster: shape({ root: hash, document: digest }),
  policy: digest,
});
export type GenesisStatement = Checked<typeof genesisStatement>;

export type Genesis = {
  readonly statement: GenesisStatement;
  readonly identity: Identity;
  readonly roster: Roster;
  readonly policy: CompiledPolicy;
};

export const originOf = (statement: Pick<GenesisStatement, 'trial' | 'nonce'>): string =>
  `countersign${statement.trial ? '-trial' : ''}/${statement.nonce}`;

/**
 * Reads and checks a genesis as a whole (SPEC N1–N3): whoever starts a ledger, verifies one or replays it comes
 * through here. Its digest is compared with the pin by the caller.
 */
export const readGenesis = (command: CommandOf<'Genesis'>, attachments: Attachments): Result<Genesis> => {
  const genesis = readUnsignedGenesis(command.statement, attachments);
  if (!genesis.ok) return genesis;
  return checkSignatures(command, genesis.value.roster) ?? genesis;
};

/** All of it but the signatures: what founders look at before they sign. It founds nothing. */
export const readUnsignedGenesis = (text: string, attachments: Attachments): Result<Genesis> => {
  const parsed = parseCanonical(text, { maxBytes: 49152 });
  if (!parsed.ok) return parsed;
  const checked = genesisStatement(parsed.value, '');
  if (!checked.ok) return checked;
  const statement = checked.value;
  const roster = readRoster(statement, attachments);
  if (!roster.ok) return roster;
  const policy = readPolicy(statement, attachments);
  if (!policy.ok) return policy;
  const people = checkFounders(statement, roster.value);
  if (people !== undefined) return people;
  const unsound = firstUnsound(policy.value, policyFactsOf(roster.value));
  if (unsound !== undefined) return { ok: false, refusal: unsound };
  const weak = checkThreshold(thresholdOf(statement), policy.value);
  if (weak !== undefined) return weak;
  const { tenant, trial } = statement;
  return ok({
    statement,
    identity: { ledger: digestOf(text), tenant, origin: originOf(statement), trial, threshold: thresholdOf(statement) },
    roster: roster.value,
    policy: policy.value,
  });
};

const attached = (digest: string, attachments: Attachments): Uint8Array | undefined => {
  const bytes = attachments.get(digest);
  return bytes !== undefined && digestOf(bytes) === digest ? bytes : undefined;
};
const notAttached = (what: string, digest: string): Refused =>
  refuse(
    'attachment-missing',
    'N1',
    `the ${what} \`${digest}\` of the genesis is not attached`,
    { digest },
    'attach the document whose digest the genesis names',
  );

const readRoster = (statement: GenesisStatement, attachments: Attachments): Result<Roster> => {
  const bytes = attached(statement.roster.document, attachments);
  if (bytes === undefined) return notAttached('roster', statement.roster.document);
  const parsed = parseCanonical(bytes, { maxBytes: 8 * 1024 * 1024 });
  if (!parsed.ok) return parsed;
  const document = rosterDocument(parsed.value, '');
  if (!document.ok) return document;
  const sealed = sealRoster(1, new Map(Object.entries(document.value.records)));
  if (!sealed.ok) return sealed;
  return sealed.value.root === statement.roster.root
    ? sealed
    : refuse(
        'roster-root-mismatch',
        'N1',
        `the genesis promises roster root \`${statement.roster.root}\`, its records give \`${sealed.value.root}\``,
        { promised: statement.roster.root, computed: sealed.value.root },
      );
};

const readPolicy = (statement: GenesisStatement, attachments: Attachments): Result<CompiledPolicy> => {
  const bytes = attached(statement.policy, attachments);
  if (bytes === undefined) return notAttached('policy', statement.policy);
  const policy = parseCompiledPolicy(bytes);
  if (!policy.ok) return policy;
  return policyDigest(policy.value) === statement.policy ? policy : notAttached('policy', statement.policy);
};

const founding = (message: string, help: string, facts: JsonObject = {}): Refused =>
  refuse('genesis-founders', 'N2', message, facts, help);

const checkFounders = (
  { trial, founders, threshold, recovery }: GenesisStatement,
  roster: Roster,
): Refused | undefined => {
  const persons = new Set(founders);
  const missing = founders.find((id) => !roster.records.has(`person/${id}`));
  if (missing !== undefined || persons.size !== founders.length)
    return founding(
      `founder \`${missing ?? 'named twice'}\` must be one person of the roster`,
      'list each founder once',
    );
  if (trial) return founders.length > 0 ? undefined : founding('a ledger needs a founder', 'name one');
  if (founders.length < 3 || threshold < 2)
    return founding(
      `${founders.length} founders with a threshold of ${threshold} are too few`,
      'name at least 3 founders and a threshold of at least 2, or start a trial with `init --trial`',
      { founders: founders.length, threshold },
    );
  if (
    recovery === null ||
    new Set(recovery.holders.map((holder) => holder.person)).size < 2 ||
    recovery.threshold > recovery.holders.length
  )
    return founding(
      'the recovery set must be in the hands of at least two persons',
      'name offline keys of two or more persons, and how many of them are needed',
    );
  return undefined;
};

// Every key of the roster signs, so that none entered behind its holder's back and every founder has seen the words.
const checkSignatures = (command: CommandOf<'Genesis'>, roster: Roster): Refused | undefined => {
  const signers = new Set<string>();
  for (const signature of command.signatures) {
    const verified = verifyEnvelope({ statement: command.statement, signature }, 'countersign-genesis@v1');
    if (!verified.ok) return verified;
    signers.add(verified.value.key.fingerprint);
  }
  for (const key of roster.records.keys())
    if (key.startsWith('key/') && !signers.has(key.slice('key/'.length)))
      return refuse(
        'genesis-unsigned',
        'N2',
        `\`${key}\` of the genesis roster did not sign the genesis`,
        { key },
        "let every key sign the same statement, each on its holder's machine",
      );
  return undefined;
};

// A trial promises nothing: one person may hold all its keys.
const thresholdOf = ({ trial, threshold }: GenesisStatement): number => (trial ? 1 : threshold);

/** Whether every tier of governance asks for as many persons as the genesis promises (SPEC N3): at genesis, and ever after. */
export const checkThreshold = (threshold: number, policy: CompiledPolicy): Refused | undefined => {
  for (const action of Object.values(policy.actions)) {
    if (!isGovernance(action.name)) continue;
    for (const tier of action.tiers) {
      const persons = tier.seats.reduce((sum, seat) => sum + seat.count, 0);
      if (persons < threshold)
        return refuse(
          'genesis-threshold',
          'N3',
          `tier \`${tier.name}\` of \`${action.name}\` needs ${persons} persons, the genesis promises ${threshold}`,
          { action: action.name, persons, threshold },
          'raise the approvals; what the genesis promises is lowered by nobody',
        );
    }
  }
  return undefined;
};

export const decideGenesis = (command: CommandOf<'Genesis'>, attachments: Attachments, index: number): Outcome => {
  if (index !== 0)
    return refused(
      refuse(
        'genesis-twice',
        'N1',
        'this ledger has its genesis already',
        { index },
        'start another ledger in another folder',
      ),
    );
  const genesis = readGenesis(command, attachments);
  if (!genesis.ok) return refused(genesis);
  const { identity, roster, policy } = genesis.value;
  return accepted({
    type: 'GenesisAccepted',
    ledger: identity.ledger,
    trial: identity.trial,
    roster: roster.root,
    policy: policyDigest(policy),
  });
};
