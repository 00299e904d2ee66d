// SPDX-License-Identifier: Apache-2.0
import type {
  ConsistencyAnswer,
  EntriesPage,
  EntryAnswer,
  LedgerInfo,
  PolicyView,
  RosterView,
} from '../contract/api.ts';
import { sha256Hex } from '../crypto/digest.ts';
import { formatVerifierKey } from '../crypto/signed-note.ts';
import { instantFromMs } from '../kernel/instant.ts';
import { BrokenInvariant, refuse, type Refused } from '../kernel/refusal.ts';
import { verifyCheckpoint } from '../ledger/checkpoint.ts';
import { leafHash } from '../ledger/merkle.ts';
import { StoreFailure } from '../ledger/store.ts';
import { formatCompiledPolicy, policyDigest } from '../policy/policy-shape.ts';
import { blobAsAppended, entryAsAppended } from './as-appended.ts';
import { tenant, type RunningLedger } from './ledger-folder.ts';
import { namesIn } from './answer-names.ts';
import { json, problemReply, text, type Reply } from './reply.ts';
import { numberIn } from './request-routes.ts';
import { identityOf, type Call, type Handler, type ServerContext } from './server-context.ts';

const entryUnknown = (message: string): Refused =>
  refuse('entry-unknown', 'L3', message, {}, 'ask for an index below the size of the latest checkpoint');

/** Which ledger this is and how far it has come: for anybody, since a pin and a checkpoint tell nothing of anybody. */
export const ledgerInfo: Handler = async (context) => {
  await context.heads.current();
  const { sequencer, ledger } = context;
  const state = sequencer.state();
  const { ledger: pin, origin, trial } = identityOf(state);
  const signed = sequencer.signedHead();
  const { size, root } = signed ?? sequencer.head();
  const info: LedgerInfo = {
    ledger: pin,
    tenant,
    origin,
    trial,
    log_key: formatVerifierKey(ledger.signer),
    size,
    root,
    checkpoint: signed?.note ?? '',
    heartbeat: heartbeatOf(context),
    roster: { version: state.roster.version, root: state.roster.root },
    policy: { version: state.policyVersion, digest: state.policy === null ? '' : policyDigest(state.policy) },
    quarantine: quarantineOf(context),
  };
  return json(info, 200, { 'cache-control': 'no-store' });
};

const instantOf = (seconds: number | null): string | null => (seconds === null ? null : instantFromMs(seconds * 1000));

const heartbeatOf = ({ heads }: ServerContext): LedgerInfo['heartbeat'] => {
  const { withheld, quorumAt, asksForQuorum, witnesses } = heads.standing();
  return {
    note: heads.newest()?.note ?? null,
    every_ms: heads.everyMs,
    withheld: withheld?.code ?? null,
    quorum_at: instantOf(quorumAt),
    asks_for_quorum: asksForQuorum,
    witnesses: witnesses.map(({ name, cosignedAt, refusal }) => ({
      name,
      cosigned_at: instantOf(cosignedAt),
      failing: refusal?.code ?? null,
    })),
  };
};

const quarantineOf = ({ sequencer }: ServerContext): LedgerInfo['quarantine'] => {
  const quarantine = sequencer.quarantine();
  if (quarantine === undefined) return null;
  const { index, what, still_works } = quarantine;
  return { index, what, still_works: [...still_works] };
};

/** Sent in full once, then only told that it is still the same. */
const tagged = (call: Call, tag: string, make: () => unknown): Reply => {
  const etag = `"${tag}"`;
  const headers = { etag, 'cache-control': 'private, no-cache' };
  if (call.ifNoneMatch === etag) return { status: 304, type: 'application/json', body: '', headers };
  return json(make(), 200, headers);
};

export const roster: Handler = (context, call) => {
  const { version, root, records } = context.sequencer.state().roster;
  const people = namesIn(
    context,
    [...records.keys()].filter((key) => key.startsWith('person/')),
  );
  const tag = sha256Hex(`${root} ${JSON.stringify(people)}`);
  return tagged(call, tag, (): RosterView => ({ version, root, records: Object.fromEntries(records), people }));
};

export const policy: Handler = ({ sequencer, names }, call) => {
  const { policy: compiled, policyVersion } = sequencer.state();
  if (compiled === null) throw new BrokenInvariant('a ledger without a policy is being served');
  const digest = policyDigest(compiled);
  const prose = names.prose();
  const tag = sha256Hex(`${digest} ${policyVersion} ${JSON.stringify(prose)}`);
  return tagged(
    call,
    tag,
    (): PolicyView => ({
      version: policyVersion,
      digest,
      commit: compiled.commit,
      text: formatCompiledPolicy(compiled),
      prose: { ...prose },
    }),
  );
};

const sizeOf = ({ sequencer }: ServerContext): number =>
  sequencer.quarantine() === undefined ? (sequencer.signedHead()?.size ?? 0) : sequencer.head().size;

export const entry: Handler = async (context, call) => {
  const given = call.params['index'] ?? '';
  const index = /^\d{1,15}$/.test(given) ? Number(given) : Number.NaN;
  if (!(index < (context.sequencer.signedHead()?.size ?? 0)))
    return problemReply(entryUnknown(`there is no signed entry \`${given.slice(0, 20)}\``).refusal);
  const bytes = await context.papers.entry(index);
  const proof = context.sequencer.tree.receipt(index);
  if (!proof.ok) return problemReply(proof.refusal);
  const answer: EntryAnswer = {
    index,
    entry: bytes,
    leaf_hash: leafHash(bytes),
    proof: proof.value,
  };
  return json(answer);
};

const entriesMax = 500;

export const entries: Handler = async (context, call) => {
  const from = numberIn(call, 'from', 0, Number.MAX_SAFE_INTEGER);
  if (!from.ok) return problemReply(from.refusal);
  const limit = numberIn(call, 'limit', 100, entriesMax);
  if (!limit.ok) return problemReply(limit.refusal);
  const size = sizeOf(context);
  const to = Math.min(size, from.value + Math.max(1, limit.value));
  const stored = from.value < to ? await context.ledger.store.entries(tenant, from.value, to) : [];
  const indexes = Array.from({ length: Math.max(0, to - from.value) }, (_, at) => from.value + at);
  const page: EntriesPage = {
    from: from.value,
    entries: indexes.map((index, at) =>
      Buffer.from(entryAsAppended(context.sequencer.tree, index, stored[at])).toString('utf8'),
    ),
    next: to < size && from.value < size ? to : null,
  };
  return json(page);
};

export const consistency: Handler = (context, call) => {
  const { sequencer } = context;
  const head = sequencer.signedHead();
  const from = numberIn(call, 'from', 0, Number.MAX_SAFE_INTEGER);
  if (!from.ok) return problemReply(from.refusal);
  const to = numberIn(call, 'to', head?.size ?? 0, Number.MAX_SAFE_INTEGER);
  if (!to.ok) return problemReply(to.refusal);
  const hashes = sequencer.tree.consistency(from.value, to.value);
  if (!hashes.ok) return problemReply(hashes.refusal);
  const answer: ConsistencyAnswer = {
    from: from.value,
    to: to.value,
    hashes: [...hashes.value],
    checkpoint: head?.note ?? '',
  };
  return json(answer, 200, { 'cache-control': 'no-store' });
};

export const blob: Handler = async ({ ledger, sequencer }, call) => {
  const digest = call.params['digest'] ?? '';
  const bytes = /^sha256:[0-9a-f]{64}$/.test(digest) ? await ledger.store.blob(tenant, digest) : undefined;
  // It may belong to an entry whose mark is being written.
  if (bytes !== undefined) await sequencer.published();
  if (bytes === undefined)
    return problemReply(
      refuse(
        'entry-unknown',
        'L7',
        `there is no blob \`${digest.slice(0, 80)}\``,
        {},
        'ask for a digest that an entry names in `attachments`',
      ).refusal,
    );
  return {
    status: 200,
    type: 'application/octet-stream',
    body: blobAsAppended(digest, bytes),
    headers: { 'cache-control': 'private, max-age=86400, immutable', 'content-disposition': 'attachment' },
  };
};

// What was kept of a ledger that shows no head of its own; what its log key did not sign is nothing to prefer.
const lastKept = async ({ store, signer }: RunningLedger) => {
  const note = await store.checkpoint(tenant);
  if (note === undefined) return undefined;
  const checkpoint = verifyCheckpoint(note, signer);
  return { note, size: checkpoint.ok ? checkpoint.value.size : 0 };
};

/**
 * The newest signed checkpoint, with its heartbeat and what witnesses added. It waits for witnesses, and not for a
 * heartbeat that is not to be had: what was answered stands under what is shown. Of a damaged ledger it is the last one
 * that was kept: it is what others can compare.
 */
export const checkpoint: Handler = async ({ sequencer, ledger, heads }) => {
  const offered = await heads.current();
  const { withheld, witnesses } = heads.standing();
  const plain =
    sequencer.signedHead() ??
    (await lastKept(ledger).catch((error: unknown) => {
      if (offered !== undefined && error instanceof StoreFailure) return undefined;
      throw error;
    }));
  const isBehind = (withheld !== null || witnesses.length === 0) && (plain?.size ?? 0) > (offered?.size ?? 0);
  const note = (isBehind ? plain : (offered ?? plain))?.note;
  return note === undefined
    ? problemReply(entryUnknown('no checkpoint is signed yet').refusal)
    : { ...text(note), headers: { 'cache-control': 'no-cache' } };
};
