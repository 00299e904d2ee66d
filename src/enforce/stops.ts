// SPDX-License-Identifier: Apache-2.0
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { stopStatement, type Envelope } from '../kernel/statements.ts';
import type { ChangeDocument } from '../request/change-document.ts';
import { authenticate, type LedgerIdentity } from '../roster/authenticate.ts';
import type { Roster } from '../roster/roster.ts';
import { checkStop } from '../timelock/time-lock.ts';
import { openCase } from '../verify/open-case.ts';
import { openPermit } from '../verify/verify.ts';
import type { PointOptions } from './enforcement-point.ts';
import type { PointFolder } from './point-folder.ts';

type Known = {
  readonly roster: Roster;
  readonly identity: LedgerIdentity;
  readonly change: ChangeDocument;
  readonly digest: string;
};

/**
 * Takes a signed veto or withdrawal directly (SPEC Y10), so that a server which hides it changes nothing. With the case
 * or the permit file it is judged at once, and holds for good. Without one, any principal of the newest roster known
 * here may leave one; whether they were entitled is judged when a permit for that change comes.
 */
export const keepStop = (
  folder: PointFolder,
  options: PointOptions,
  envelope: Envelope,
  evidence?: string,
): Result<{ readonly judged: boolean }> => {
  const known = evidence === undefined ? rosterKept(folder, options) : knownFrom(evidence, options);
  if (!known.ok) return known;
  const { roster, identity, change, digest } = known.value;
  const signed = authenticate(roster, identity, envelope, stopStatement);
  if (!signed.ok) return signed;
  const judged = evidence !== undefined;
  if (judged) {
    const may = checkStop(roster, change, digest, signed.value);
    if (!may.ok) return may;
  }
  const { statement, key } = signed.value;
  const kept = folder.keepRefusal(statement.change, `${key} ${statement.type}`, { envelope, judged });
  return kept.ok ? ok({ judged }) : kept;
};

/** What a permit file or a case shows, from the pin. A veto needs no floor and no clock: refusing is never too early. */
const knownFrom = (evidence: string, { pin, allowTrial, acceptV0 }: PointOptions): Result<Known> => {
  const { verdict, opened } = openPermit(evidence, { pin, allowTrial, acceptV0, minPersons: 0 });
  if (opened !== null) {
    const { replay, request } = opened;
    return ok({
      roster: replay.state.roster,
      identity: replay.identity,
      change: request.change,
      digest: request.digest,
    });
  }
  const opens = openCase(evidence, { pin, allowTrial, acceptV0 });
  if (opens.ok) return opens;
  const why = verdict.reasons.find((reason) => reason.code !== 'shape-mismatch') ?? opens.refusal;
  return { ok: false, refusal: why };
};

/** The newest roster that was read here, out of the file it came with. */
const rosterKept = (folder: PointFolder, options: PointOptions): Result<Known> => {
  const file = folder.rosterFile();
  if (!file.ok) return file;
  return file.value === undefined ? unknownRoster() : knownFrom(file.value, options);
};

const unknownRoster = (): Refused =>
  refuse(
    'key-unknown',
    'Y10',
    'this enforcement point has seen no roster yet, so that it knows nobody',
    {},
    'send the case or the permit file along with the refusal',
  );
