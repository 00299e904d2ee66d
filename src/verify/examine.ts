// SPDX-License-Identifier: Apache-2.0
import { canonicalize } from '../kernel/canonical-json.ts';
import { addMs, parseInstant } from '../kernel/instant.ts';
import { refuse, type JsonObject, type JsonValue, type Refusal, type Refused, type Result } from '../kernel/refusal.ts';
import { counted } from '../kernel/spoken.ts';
import type { Attachments } from '../kernel/decider.ts';
import { verifyConsistency } from '../ledger/proof.ts';
import type { ProvenLeaf } from '../ledger/tlog-proof.ts';
import { evaluateGate } from '../approve/evaluate-gate.ts';
import type { PermitFile } from '../execute/permit-file.ts';
import type { Permit, RequestState } from '../request/request-state.ts';
import { rememberBeginning, type ReadPermitFile } from './beginnings.ts';
import { judgeAge } from './checkpoint-time.ts';
import { replayHistory } from './history.ts';
import { limitsOf } from './not-proven.ts';
import { provePlace } from './proven-place.ts';
import { malformed, readBlobs, readEntry, type Replay } from './replay.ts';
import {
  clockToleranceMs,
  personsFloor,
  type Check,
  type CheckCode,
  type Limit,
  type VerifyOptions,
} from './verdict.ts';
import { checkWitnessed } from './witnessed.ts';

/** A permit that was derived again, with the state it was derived in; for whoever goes on from there. */
export type OpenedPermit = {
  readonly permit: Permit;
  readonly request: RequestState;
  readonly replay: Replay;
  readonly blobs: Attachments;
  readonly proven: ProvenLeaf;
  readonly limits: readonly Limit[];
};

/** Collects what was looked at and why it fails; several reasons can stand side by side. */
export class Examination {
  readonly checks: Check[] = [];
  readonly reasons: Refusal[] = [];

  holds(code: CheckCode, values: JsonObject = {}): void {
    this.checks.push({ code, ok: true, values });
  }

  fails(code: CheckCode, { refusal }: Refused): undefined {
    this.checks.push({ code, ok: false, values: { code: refusal.code } });
    this.reasons.push(refusal);
    return undefined;
  }

  /** Writes down what came of one check; gives whether it held. */
  note(code: CheckCode, refused: Refused | undefined, values: JsonObject = {}): void {
    if (refused === undefined) this.holds(code, values);
    else this.fails(code, refused);
  }
}

/** Examines a permit file from the pin up. Undefined when there is nothing to go on from. */
export const examinePermit = (
  exam: Examination,
  read: Result<ReadPermitFile>,
  options: VerifyOptions,
): OpenedPermit | undefined => {
  if (!read.ok) return exam.fails('file', read);
  const { file, begun } = read.value;
  const more = readBlobs(file.blobs);
  if (!more.ok) return exam.fails('file', more);
  const blobs = begun?.blobs ?? more.value;
  const last = readEntry(file.entry);
  if (!last.ok) return exam.fails('file', last);
  const { command } = last.value;
  if (command.type !== 'IssuePermit')
    return exam.fails('file', malformed(`its first entry is a ${command.type}, which issues no permit`));
  const texts = [...file.entries, file.entry];
  const entries = texts.length + (begun?.entries ?? 0);
  exam.holds('file', { entries, documents: blobs.size });
  const replayed = replayHistory(texts, options.pin, blobs, command.request, begun?.replay);
  if (!replayed.ok) {
    const pinned = replayed.refusal.code !== 'pin-mismatch';
    if (pinned) exam.holds('pin', { pin: options.pin });
    return exam.fails(pinned ? 'history' : 'pin', replayed);
  }
  const { replay } = replayed.value;
  if (begun === undefined && replayed.value.begun !== undefined)
    rememberBeginning(file, options.pin, { ...replayed.value.begun, blobs });
  const request = replay.state.requests.get(command.request);
  exam.holds('pin', { pin: options.pin });
  if (request === undefined || request.permit === null || request.status !== 'permitted')
    return exam.fails('history', malformed('its first entry issued no permit'));
  exam.holds('history', { entries });
  const proven = provePlace(file.proof, last.value.leaf, replay.log);
  const placed = proven.ok && proven.value.index !== last.value.index;
  exam.note('inclusion', placed ? malformed('the proof is for another index than the entry says') : refusedOf(proven), {
    index: last.value.index,
    origin: replay.identity.origin,
    ...(proven.ok ? { size: proven.value.checkpoint.size } : {}),
  });
  if (!proven.ok || placed) return undefined;
  const shown = checkSeen(exam, file, replay, proven.value);
  const age = judgeAge(file.proof, replay.log, options);
  if (age !== undefined) exam.note('freshness', age.refused, age.values);
  const opened = { permit: request.permit, request, replay, blobs, proven: proven.value };
  judge(exam, opened, options);
  const witnessed = checkWitnessed(exam, file, opened, options);
  return { ...opened, limits: limitsOf(replay, request, request.permit, options, shown, witnessed) };
};

const refusedOf = (result: Result<unknown>): Refused | undefined => (result.ok ? undefined : result);

/** The histories that voters had seen go on in the one that proves the permit, as far as the file shows it (T5). */
const checkSeen = (
  exam: Examination,
  file: PermitFile,
  replay: Replay,
  { checkpoint }: ProvenLeaf,
): ReadonlySet<number> => {
  const shown = new Set<number>();
  for (const { size, hashes } of file.seen) {
    const seen = replay.seen.find((one) => one.size === size);
    const { size: toSize, root: toRoot } = checkpoint;
    const consistent =
      seen === undefined
        ? malformed(`no vote names the checkpoint of size ${size}`)
        : verifyConsistency({ fromSize: size, fromRoot: seen.root, toSize, toRoot, proof: hashes });
    if (!consistent.ok) {
      exam.fails('seen', consistent);
      return new Set();
    }
    shown.add(size);
  }
  if (shown.size > 0) exam.holds('seen', { sizes: [...shown] });
  return shown;
};

type Opened = Omit<OpenedPermit, 'limits'>;

const judge = (exam: Examination, opened: Opened, options: VerifyOptions): void => {
  const { replay, permit, request } = opened;
  const { state, identity } = replay;
  exam.note('trial', refuseTrial(identity.trial, options), { trial: identity.trial });
  exam.note('formats', refuseFormats(identity.trial, options), { formats: 'v0' });
  exam.note('governance', refuseOlder(replay, options), {
    changes: replay.governance.length - 1,
    roster: state.roster.version,
    policy: state.policyVersion,
  });
  exam.holds('change', { change: permit.change, requester: request.change.requester, revision: permit.revision });
  exam.note('seats', refuseSeats(opened), {
    seats: permit.seats.map(({ seat, person }) => ({ seat, person })),
    tier: request.change.tier,
  });
  const wait = request.change.gate.time_lock?.wait_ms ?? 0;
  if (wait > 0) exam.holds('time-lock', { wait_ms: wait, from: permit.gate_met_at, to: permit.issued_at });
  exam.holds('executor', { ...permit.executor });
  exam.holds('audience', { audience: permit.audience });
  const floor = personsFloor(permit.action, request.change.tier, options);
  exam.note('persons', refusePersons(permit, floor), { persons: permit.persons, floor });
  if (options.expect !== undefined) exam.note('expectations', refuseOther(opened, options), {});
  if (options.now !== undefined)
    exam.note('validity', refuseMoment(opened, options.now), { now: options.now, expires_at: permit.expires_at });
};

/** Which ledgers and formats are taken at all. */
export const refuseTrial = (trial: boolean, { allowTrial }: Pick<VerifyOptions, 'allowTrial'>): Refused | undefined =>
  trial && allowTrial !== true
    ? refuse(
        'trial-not-allowed',
        'Y2',
        'this is a trial ledger, which one person may have started alone',
        {},
        'say `--allow-trial` if a trial is what you want to look at',
      )
    : undefined;

export const refuseFormats = (trial: boolean, { acceptV0 }: Pick<VerifyOptions, 'acceptV0'>): Refused | undefined =>
  !trial && acceptV0 !== true
    ? refuse(
        'format-not-final',
        'Y2',
        'formats are still `v0`, which is for trials only',
        {},
        'say `--accept-v0` if you know that a later release may read them differently',
      )
    : undefined;

// T13: a reader who has seen a newer roster or policy is not shown an older one, or another branch.
const refuseOlder = ({ governance }: Replay, { knownGovernance }: VerifyOptions): Refused | undefined =>
  knownGovernance === undefined || governance.includes(knownGovernance)
    ? undefined
    : refuse(
        'governance-stale',
        'Y5',
        'the file rests on an older roster or policy than the newest one seen here, or on another branch',
        { known: knownGovernance, newest: governance.at(-1) ?? null },
        'fetch the permit again; if it stays so, two histories are being shown',
      );

// INV1 once more, on the derived permit alone: as many persons as seats, no one twice, nobody who made it.
const refuseSeats = ({ permit, request }: Opened): Refused | undefined => {
  const { change } = request;
  const persons = new Set(permit.seats.map((seat) => seat.person));
  const wanted = change.gate.seats.reduce((sum, seat) => sum + seat.count, 0);
  const sound =
    persons.size === wanted &&
    permit.seats.length === wanted &&
    permit.persons === wanted &&
    change.producers.length > 0 &&
    !change.producers.some((producer) => persons.has(producer)) &&
    ![...persons].some((person) => `person:${person}` === permit.executor.principal);
  return sound
    ? undefined
    : refuse('gate-pending', 'X1', 'the seats are not filled by as many persons, all of them without a part in it', {});
};

// Written so that a floor that is no number refuses everything.
const refusePersons = ({ persons, action }: Permit, floor: number): Refused | undefined =>
  persons >= floor
    ? undefined
    : refuse(
        'persons-too-few',
        'Y4',
        `${counted(persons, 'person')} approved this; \`${action}\` takes ${String(floor)} here, whatever the policy says`,
        { persons, action },
        'raise the seats in the policy, or lower your own floor if you mean to',
      );

const refuseOther = ({ permit, request }: Opened, { expect = {} }: VerifyOptions): Refused | undefined => {
  const wrong = (what: string, wanted: JsonValue, got: JsonValue): Refused =>
    refuse(
      'permit-wrong-change',
      'X2',
      `the permit is for ${what} \`${String(got)}\`, not for \`${String(wanted)}\``,
      { wanted, got },
      'a permit holds for one change and nothing else',
    );
  if (expect.audience !== undefined && expect.audience !== permit.audience)
    return refuse(
      'permit-wrong-audience',
      'X3',
      `the permit is for enforcement point \`${permit.audience}\`, this is \`${expect.audience}\``,
      { audience: permit.audience },
      'use it there, or ask again for this one',
    );
  if (expect.executorKey !== undefined && expect.executorKey !== permit.executor.key)
    return refuse(
      'permit-wrong-executor',
      'X2',
      `the permit names executor \`${permit.executor.key}\`, not \`${expect.executorKey}\``,
      { executor: permit.executor.key },
      'let the named executor run it',
    );
  for (const field of ['action', 'target', 'content'] as const)
    if (expect[field] !== undefined && expect[field] !== permit[field])
      return wrong(field, expect[field], permit[field]);
  for (const [name, wanted] of Object.entries(expect.facts ?? {})) {
    const got = Object.hasOwn(request.change.facts, name) ? (request.change.facts[name]?.value ?? null) : null;
    if (canonicalize(got) !== canonicalize(wanted)) return wrong(`fact ${name}`, wanted, got);
  }
  return undefined;
};

// By the reader's own clock: the permit has begun and not ended, and the votes it rests on still hold.
const refuseMoment = ({ permit, request, replay }: Opened, now: VerifyOptions['now']): Refused | undefined => {
  const read = parseInstant(now);
  if (!read.ok) return read;
  const time = read.value;
  if (permit.expires_at <= time)
    return refuse(
      'permit-expired',
      'X4',
      `permit \`${permit.permit}\` expired at \`${permit.expires_at}\``,
      { expires_at: permit.expires_at, now: time },
      'ask again; an expired permit is never renewed',
    );
  if (permit.issued_at > addMs(time, clockToleranceMs))
    return refuse(
      'permit-not-yet-valid',
      'X4',
      `permit \`${permit.permit}\` was issued at \`${permit.issued_at}\`, which has not come yet`,
      { issued_at: permit.issued_at, now: time },
      "set this machine's clock; if it is right, the ledger's is not",
    );
  const counted = new Set(permit.seats.map((seat) => seat.vote));
  const votes = request.votes.filter((vote) => counted.has(vote.leaf));
  const gate = evaluateGate({ roster: replay.state.roster, change: request.change, votes, time });
  return gate.result === 'met'
    ? undefined
    : refuse(
        'gate-lost',
        'V4',
        `votes that permit \`${permit.permit}\` rests on hold no more`,
        { open: gate.open },
        'ask again',
      );
};
