// SPDX-License-Identifier: Apache-2.0
import { instantFromMs, instantToMs, type Instant } from '../kernel/instant.ts';
import { ok, refuse, type JsonObject, type JsonValue, type Refused, type Result } from '../kernel/refusal.ts';
import { consumptionStatement, stopStatement, type Envelope } from '../kernel/statements.ts';
import { verifyConsistency } from '../ledger/proof.ts';
import { verifyTlogProof } from '../ledger/tlog-proof.ts';
import type { Checkpoint } from '../ledger/checkpoint.ts';
import type { WitnessPolicy } from '../ledger/witness-policy.ts';
import { checkConsumption } from '../execute/permit.ts';
import type { ChangeDocument } from '../request/change-document.ts';
import type { Permit } from '../request/request-state.ts';
import { authenticate } from '../roster/authenticate.ts';
import { checkStop } from '../timelock/time-lock.ts';
import { openPermit, type Expectations, type OpenedPermit, type Verdict } from '../verify/verify.ts';
import { readEntry, replayEntry } from '../verify/replay.ts';
import { guarded } from '../verify/history.ts';
import { Challenges } from './challenges.ts';
import { alreadyUsed, openPointFolder, type Newest, type PointFolder } from './point-folder.ts';
import { keepStop } from './stops.ts';

export type PointOptions = {
  /** Folder of its own, on a disk that keeps what is synced to it. Never copied, never shared with another point. */
  readonly stateFolder: string;
  /** Digest of the genesis, from the people who founded the ledger. */
  readonly pin: string;
  /** Its own name in the roster, which permits name as audience. */
  readonly instance: string;
  readonly minPersons?: number | undefined;
  readonly minPersonsFor?: { readonly [action: string]: number } | undefined;
  /** Witnesses of its own: it takes no permit that their quorum has not cosigned, nor one whose lock they did not see kept. */
  readonly witnesses?: WitnessPolicy | undefined;
  readonly allowTrial?: boolean | undefined;
  readonly acceptV0?: boolean | undefined;
  /** How old the checkpoint of a permit may be, by the witnesses' clocks or else the log's (SPEC Y12). */
  readonly freshWithinMs?: number | undefined;
  /** Its own clock; the machine's when left out. */
  readonly now?: (() => Instant) | undefined;
};

/** What the point compares a permit with; its own name is always compared. */
export type Wanted = Omit<Expectations, 'audience'>;

/** The use of a permit at the server, with the proof that its ledger holds it. */
export type OnlineUse = {
  readonly kind: 'online';
  /** Text of the entry with the signed consumption. */
  readonly entry: string;
  readonly proof: string;
  /** RFC 6962 proof between the newest checkpoint the point has seen (`seen` of the challenge) and that of `proof`, hex. */
  readonly consistency: readonly string[];
};
/** The use of a permit whose change says `consume: offline`: the signed consumption alone. */
export type OfflineUse = { readonly kind: 'offline'; readonly envelope: Envelope };
export type Use = OnlineUse | OfflineUse;

export type Drawn = {
  readonly challenge: string;
  readonly permit: Permit;
  readonly change: ChangeDocument;
  /** The newest checkpoint seen here; null before the first. The use has to come with consistency from it. */
  readonly seen: { readonly size: number; readonly root: string } | null;
};

/** A permit that is used up now: carry out exactly this change, once. */
export type Admitted = {
  readonly permit: Permit;
  readonly change: ChangeDocument;
  readonly verdict: Verdict;
  /** The signed consumption; what was used offline is reported to the server with it afterwards. */
  readonly consumption: Envelope;
};

export type EnforcementPoint = {
  /** Checks a permit and draws the number that its use is to be signed over. Uses nothing up. */
  readonly challenge: (permitFile: string | Uint8Array, wanted?: Wanted) => Result<Drawn>;
  /** Uses the permit up, durably, or says why not. Only after an `ok` may anything happen. */
  readonly admit: (permitFile: string | Uint8Array, use: Use, wanted?: Wanted) => Result<Admitted>;
  /** Takes a signed veto or withdrawal; `evidence` is a permit file or case that shows what it is about. */
  readonly refuse: (envelope: Envelope, evidence?: string) => Result<{ readonly judged: boolean }>;
};

type Setting = {
  readonly options: PointOptions;
  readonly folder: PointFolder;
  readonly challenges: Challenges;
  readonly now: () => Instant;
};

/** Opens an enforcement point on its state folder. Every answer it gives follows from its own pin, clock and folder. */
export const openEnforcementPoint = (options: PointOptions): Result<EnforcementPoint> => {
  const folder = openPointFolder(options.stateFolder, options.pin, options.instance);
  if (!folder.ok) return folder;
  const now = options.now ?? (() => instantFromMs(Date.now()));
  const setting: Setting = { options, folder: folder.value, challenges: new Challenges(), now };
  return ok({
    challenge: (permitFile, wanted = {}) => draw(setting, permitFile, wanted),
    admit: (permitFile, use, wanted = {}) => guarded(() => admit(setting, permitFile, use, wanted)),
    refuse: (envelope, evidence) => keepStop(setting.folder, options, envelope, evidence),
  });
};

type Inspected = {
  readonly opened: OpenedPermit;
  readonly verdict: Verdict;
  readonly seen: Newest | null;
};

/** All that can be said about a permit before it is used. */
const inspect = (setting: Setting, permitFile: string | Uint8Array, wanted: Wanted): Result<Inspected> => {
  const { options, folder } = setting;
  const governance = folder.newest('governance');
  if (!governance.ok) return governance;
  const checkpoints = folder.newest('checkpoints');
  if (!checkpoints.ok) return checkpoints;
  const forked = [governance.value, checkpoints.value].some((newest) => newest.length > 1);
  if (forked) return twoHistories();
  const { verdict, opened } = openPermit(permitFile, {
    pin: options.pin,
    allowTrial: options.allowTrial,
    acceptV0: options.acceptV0,
    minPersons: options.minPersons,
    minPersonsFor: options.minPersonsFor,
    witnesses: options.witnesses,
    knownGovernance: governance.value[0]?.hash,
    now: setting.now(),
    fresh: options.freshWithinMs === undefined ? undefined : { now: setting.now(), withinMs: options.freshWithinMs },
    expect: { ...wanted, audience: options.instance },
  });
  if (opened === null) return { ok: false, refusal: verdict.reasons[0] ?? twoHistories().refusal };
  const { permit } = opened;
  const used = folder.isUsed(permit.permit);
  if (!used.ok) return used;
  if (used.value) return alreadyUsed(permit.permit);
  const stopped = refuseStopped(folder, opened);
  if (stopped !== undefined) return stopped;
  const learned = learn(folder, opened, permitFile);
  return learned.ok ? ok({ opened, verdict, seen: checkpoints.value[0] ?? null }) : learned;
};

const twoHistories = (): Refused =>
  refuse(
    'governance-stale',
    'Y5',
    'two histories of one length were shown to this enforcement point',
    {},
    'compare checkpoints with the people of the ledger; until one of them is known to be false, nothing is admitted',
  );

// SPEC Y5: from now on nothing older is taken.
const learn = (folder: PointFolder, { replay }: OpenedPermit, file: string | Uint8Array): Result<null> => {
  const seen = { number: replay.governance.length, hash: replay.state.governance };
  const known = folder.newest('governance');
  if (!known.ok) return known;
  if ((known.value[0]?.number ?? 0) >= seen.number) return ok(null);
  const kept = folder.keepRosterFile(typeof file === 'string' ? file : Buffer.from(file).toString('utf8'));
  return kept.ok ? folder.remember('governance', seen) : kept;
};

// SPEC Y10, T2: one entitled refusal beats any permit, whatever the server says.
const refuseStopped = (folder: PointFolder, { permit, request, replay }: OpenedPermit): Refused | undefined => {
  const kept = folder.refusals(permit.change);
  if (!kept.ok) return kept;
  for (const { envelope, judged } of kept.value) {
    const signed = authenticate(replay.state.roster, replay.identity, envelope, stopStatement);
    const holds = signed.ok && checkStop(replay.state.roster, request.change, permit.change, signed.value).ok;
    if (!judged && !holds) continue;
    const withdrawn = signed.ok && signed.value.statement.type === 'countersign.dev/withdrawal/v0';
    return refuse(
      withdrawn ? 'request-withdrawn' : 'request-vetoed',
      'Y10',
      `change \`${permit.change}\` was ${withdrawn ? 'withdrawn' : 'vetoed'} here${signed.ok ? ` by \`${signed.value.principal}\`` : ''}`,
      { permit: permit.permit },
      'what was refused stays refused; ask anew',
    );
  }
  return undefined;
};

const draw = (setting: Setting, permitFile: string | Uint8Array, wanted: Wanted): Result<Drawn> => {
  const inspected = guarded(() => inspect(setting, permitFile, wanted));
  if (!inspected.ok) return inspected;
  const { opened, seen } = inspected.value;
  const challenge = setting.challenges.draw(opened.permit.permit, instantToMs(setting.now()));
  if (!challenge.ok) return challenge;
  return ok({
    challenge: challenge.value,
    permit: opened.permit,
    change: opened.request.change,
    seen: seen === null ? null : { size: seen.number, root: seen.hash },
  });
};

type Checked = {
  readonly challenge: string;
  readonly consumption: Envelope;
  readonly checkpoint: Checkpoint | null;
};

const admit = (setting: Setting, permitFile: string | Uint8Array, use: Use, wanted: Wanted): Result<Admitted> => {
  const { folder, challenges } = setting;
  const inspected = inspect(setting, permitFile, wanted);
  if (!inspected.ok) return inspected;
  const { opened, verdict, seen } = inspected.value;
  const time = setting.now();
  const checked = use.kind === 'online' ? checkOnline(opened, use, seen) : checkOffline(opened, use, time);
  if (!checked.ok) return checked;
  const { permit, request } = opened;
  const taken = challenges.take(checked.value.challenge, permit.permit, instantToMs(time));
  if (!taken.ok) return taken;
  const { checkpoint, consumption } = checked.value;
  if (checkpoint !== null) {
    const remembered = folder.remember('checkpoints', { number: checkpoint.size, hash: checkpoint.root });
    if (!remembered.ok) return remembered;
  }
  // C25, SPEC Y7: used up on disk before anything happens. Whatever goes wrong from here on, it is never used again.
  const marked = folder.markUsed(permit.permit, {
    permit: permit.permit,
    change: permit.change,
    at: time,
    how: use.kind,
  });
  if (!marked.ok) return marked;
  return ok({ permit, change: request.change, verdict, consumption });
};

const notShown = (why: string, facts: JsonObject = {}): Refused =>
  refuse(
    'consumption-not-shown',
    'Y9',
    `that the ledger holds this use of the permit was not shown: ${why}`,
    facts,
    'consume the permit at the server with the challenge drawn here, and send its entry and proof along',
  );

/** Online: the ledger holds this very use, in the history that was seen here before (SPEC Y9). */
const checkOnline = (opened: OpenedPermit, use: OnlineUse, seen: Newest | null): Result<Checked> => {
  const { replay, request, permit, blobs } = opened;
  const one = readEntry(use.entry);
  if (!one.ok) return one;
  const { command } = one.value;
  if (command.type !== 'ConsumePermit') return notShown(`the entry is a ${command.type}`);
  const proven = verifyTlogProof(use.proof, one.value.leaf, replay.log);
  if (!proven.ok) return proven;
  if (proven.value.index !== one.value.index) return notShown('the proof is for another index than the entry says');
  const played = replayEntry(replay, one.value, blobs, request.id);
  if (!played.ok) return played;
  // Only what an entry says of this request was derived again; what else it says, whoever has the log key wrote at will.
  const event = one.value.recorded.find(({ type, request: of }) => type === 'PermitConsumed' && of === request.id);
  const consumed = played.value.state.requests.get(request.id)?.status === 'consumed';
  if (!consumed || event?.['permit'] !== permit.permit || event['late'] !== false)
    return notShown('the entry does not use this permit in time', { index: one.value.index });
  const { checkpoint } = proven.value;
  const forked = refuseFork(checkpoint, seen, use.consistency);
  if (forked !== undefined) return forked;
  return ok({ challenge: String(event['challenge']), consumption: command.envelope, checkpoint });
};

// T5: this checkpoint and the newest one seen here lie in one history, whichever of them is older.
const refuseFork = ({ size, root }: Checkpoint, seen: Newest | null, proof: readonly string[]): Refused | undefined => {
  if (seen === null) return undefined;
  const [from, to] =
    seen.number <= size
      ? [
          { size: seen.number, root: seen.hash },
          { size, root },
        ]
      : [
          { size, root },
          { size: seen.number, root: seen.hash },
        ];
  const consistent = verifyConsistency({
    fromSize: from.size,
    fromRoot: from.root,
    toSize: to.size,
    toRoot: to.root,
    proof,
  });
  return consistent.ok ? undefined : consistent;
};

const offlineLongestMs = 900_000;

/** Offline: only where the change that people signed says so, and briefly (SPEC Y9). */
const checkOffline = (opened: OpenedPermit, use: OfflineUse, time: Instant): Result<Checked> => {
  const { replay, permit } = opened;
  if (permit.consume !== 'offline') return notShown('the change says that its permit is consumed online');
  if (instantToMs(permit.expires_at) - instantToMs(permit.issued_at) > offlineLongestMs)
    return refuse(
      'validity-too-long',
      'Y9',
      `permit \`${permit.permit}\` lives longer than a quarter of an hour, too long to be used offline`,
      { issued_at: permit.issued_at, expires_at: permit.expires_at },
      'shorten `permit-valid` in the policy, or consume it online',
    );
  const signed = authenticate(replay.state.roster, replay.identity, use.envelope, consumptionStatement);
  if (!signed.ok) return signed;
  const fits = checkConsumption(permit, signed.value, time);
  if (!fits.ok) return fits;
  if (fits.value.late) return notShown('it is a report of an earlier use');
  return ok({ challenge: signed.value.statement.challenge, consumption: use.envelope, checkpoint: null });
};

/** The statement that the executor signs to use a permit (FORMATS §3), over the number that the point drew. */
export const consumptionFor = (
  permit: Permit,
  challenge: string,
  at: Instant,
): { readonly [field: string]: JsonValue } => ({
  type: 'countersign.dev/consumption/v0',
  ledger: permit.ledger,
  tenant: permit.tenant,
  by: permit.executor.principal,
  permit: permit.permit,
  change: permit.change,
  audience: permit.audience,
  challenge,
  at,
});
