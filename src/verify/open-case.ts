// SPDX-License-Identifier: Apache-2.0
import { canonicalize } from '../kernel/canonical-json.ts';
import { addMs, type Instant } from '../kernel/instant.ts';
import { ok, refuse, type JsonObject, type Refused, type Result } from '../kernel/refusal.ts';
import { leafHash } from '../ledger/merkle.ts';
import { verifyCheckpoint, type Checkpoint } from '../ledger/checkpoint.ts';
import { verifyConsistency, verifyInclusion } from '../ledger/proof.ts';
import { evaluateGate, type GateEvaluation } from '../approve/evaluate-gate.ts';
import { due } from '../lifecycle/settle.ts';
import type { Identity } from '../lifecycle/state.ts';
import type { CompiledPolicy } from '../policy/compiled.ts';
import type { ChangeDocument } from '../request/change-document.ts';
import type { CastVote, RequestState } from '../request/request-state.ts';
import type { Roster } from '../roster/roster.ts';
import { parseCaseFile, type CaseFile } from './case-file.ts';
import { refuseFormats, refuseTrial } from './examine.ts';
import { guarded, replayHistory } from './history.ts';
import { malformed, readBlobs, type Replay } from './replay.ts';
import { clockToleranceMs } from './verdict.ts';

export type CaseOptions = {
  /** Digest of the genesis, from the voter's own configuration. */
  readonly pin: string;
  readonly allowTrial?: boolean | undefined;
  readonly acceptV0?: boolean | undefined;
  /** The request that was asked for: another one is refused. */
  readonly request?: string | undefined;
  /** The voter's own clock. */
  readonly now?: Instant | undefined;
  /** The newest checkpoint this voter has seen, with the server's proof that the case goes on from it. */
  readonly lastCheckpoint?: LastCheckpoint | undefined;
};
export type LastCheckpoint = { readonly size: number; readonly root: string; readonly consistency: readonly string[] };

/** What a voter may rely on: every field follows from the pin, from signatures and from proofs. */
export type OpenedCase = {
  readonly identity: Identity;
  readonly request: RequestState;
  readonly change: ChangeDocument;
  /** The exact text whose digest is signed. */
  readonly changeText: string;
  readonly digest: string;
  readonly roster: Roster;
  readonly policy: CompiledPolicy;
  readonly policyVersion: number;
  /** Leaf hash of the newest governance entry. */
  readonly governance: string;
  readonly votes: readonly CastVote[];
  readonly gate: GateEvaluation;
  /** Events that are due by the voter's clock, such as `RequestExpired` or `RequestRevised`; empty when it stands as shown. */
  readonly due: readonly string[];
  /** What the next vote names as `seen`, and what the voter remembers from now on. */
  readonly checkpoint: Checkpoint & { readonly note: string };
  /** Documents by digest: the content that is asked for, evidence of facts. */
  readonly blobs: ReadonlyMap<string, Uint8Array>;
};

/**
 * Opens a case by oneself (INV11): governance from the pin on, the change document built again from what the requester
 * signed, all of it under one signed checkpoint that goes on from the last one seen. A refusal means: do not sign.
 */
export const openCase = (file: string | Uint8Array | JsonObject, options: CaseOptions): Result<OpenedCase> =>
  guarded(() => {
    const parsed = parseCaseFile(typeof file === 'string' || file instanceof Uint8Array ? file : canonicalize(file));
    return parsed.ok ? open(parsed.value, options) : parsed;
  });

const open = (file: CaseFile, options: CaseOptions): Result<OpenedCase> => {
  if (options.request !== undefined && options.request !== file.request)
    return malformed(`the case is about request \`${file.request}\`, not about \`${options.request}\``);
  const blobs = readBlobs(file.blobs);
  if (!blobs.ok) return blobs;
  const replayed = replayHistory(file.entries, options.pin, blobs.value, file.request);
  if (!replayed.ok) return replayed;
  const { replay } = replayed.value;
  const { trial } = replay.identity;
  const unwanted = refuseTrial(trial, options) ?? refuseFormats(trial, options);
  if (unwanted !== undefined) return unwanted;
  const checkpoint = verifyCheckpoint(file.checkpoint, replay.log);
  if (!checkpoint.ok) return checkpoint;
  const unproven = refuseUnproven(file, checkpoint.value) ?? refuseFork(replay, checkpoint.value, options);
  if (unproven !== undefined) return unproven;
  const { state, identity } = replay;
  const request = state.requests.get(file.request);
  if (request === undefined || state.policy === null)
    return malformed(`the case does not hold request \`${file.request}\``);
  const time = options.now ?? replay.last.time;
  if (request.change.requested_at > addMs(time, clockToleranceMs)) return requestedLater(request.change, time);
  const { change, digest, votes } = request;
  return ok({
    identity,
    request,
    change,
    changeText: canonicalize(change),
    digest,
    roster: state.roster,
    policy: state.policy,
    policyVersion: state.policyVersion,
    governance: state.governance,
    votes,
    gate: evaluateGate({ roster: state.roster, change, votes, time }),
    due: due({ state, identity, moment: { index: checkpoint.value.size, time } }, request).map((event) => event.type),
    checkpoint: { ...checkpoint.value, note: file.checkpoint },
    blobs: blobs.value,
  });
};

// A lock counts from the moment the gate is met; a request from the future would let the operator move that about.
const requestedLater = ({ requested_at }: ChangeDocument, time: Instant): Refused =>
  refuse(
    'permit-not-yet-valid',
    'X4',
    `the request says it was made at \`${requested_at}\`, which has not come yet`,
    { requested_at, now: time },
    "set this machine's clock; if it is right, the ledger's is not",
  );

/** Every entry stands where it says, under the one checkpoint. */
const refuseUnproven = (file: CaseFile, { size, root }: Checkpoint): Refused | undefined => {
  if (file.entries.length !== file.proofs.length) return malformed('the case does not prove each of its entries');
  for (const [at, text] of file.entries.entries()) {
    const index = indexOf(text);
    const included = verifyInclusion({ leafHash: leafHash(text), index, size, root, proof: file.proofs[at] ?? [] });
    if (!included.ok) return included;
  }
  return undefined;
};

// The text is canonical and was replayed already, so that its index stands where FORMATS §8 puts it.
const indexOf = (text: string): number =>
  Number(/,"index":(\d{1,16}),"semantics":\d{1,16},"tenant":"[^"]*","time":"[^"]*"\}$/.exec(text)?.[1] ?? Number.NaN);

// T5: the case goes on from what this voter, and those who voted before, had seen.
const refuseFork = (replay: Replay, { size, root }: Checkpoint, options: CaseOptions): Refused | undefined => {
  const { lastCheckpoint: last } = options;
  const other = replay.seen.find((seen) => seen.size > size || (seen.size === size && seen.root !== root));
  if (other !== undefined)
    return refuse(
      'seen-not-in-history',
      'V7',
      `a voter had seen a ledger of size ${other.size} that this one of size ${size} does not hold`,
      { seen: other.size, size },
      'compare checkpoints with the people who voted before you sign',
    );
  if (last === undefined) return undefined;
  const consistent = verifyConsistency({
    fromSize: last.size,
    fromRoot: last.root,
    toSize: size,
    toRoot: root,
    proof: last.consistency,
  });
  return consistent.ok ? undefined : consistent;
};
