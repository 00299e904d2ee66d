// SPDX-License-Identifier: Apache-2.0
import { addMs, type Instant } from '../kernel/instant.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import type { VoteStatement } from '../kernel/statements.ts';
import { maxValidityMs } from '../assess/build-change.ts';
import type { ChangeDocument } from '../request/change-document.ts';
import type { CastVote } from '../request/request-state.ts';
import type { Signed } from '../roster/authenticate.ts';
import { levelAtLeast, type Roster } from '../roster/roster.ts';
import { personSetback, seatsOpenTo } from './evaluate-gate.ts';

/** What a vote is read against: the change as it stands, its digest, and the moment. */
export type VoteSetting = {
  readonly roster: Roster;
  readonly change: ChangeDocument;
  readonly digest: string;
  readonly votes: readonly CastVote[];
  readonly time: Instant;
};

/**
 * Checks a signed vote against the change it names (SPEC V1–V3). Everything that could make one person count twice
 * or count where they may not is refused here already; `evaluateGate` checks it all again later.
 */
export const checkVote = (
  setting: VoteSetting,
  { statement, principal, level }: Signed<VoteStatement>,
): Result<string> => {
  const { change, roster, time } = setting;
  if (!principal.startsWith('person:'))
    return refuse(
      'vote-by-machine',
      'V1',
      `\`${principal}\` is a machine; a machine never fills a seat`,
      { by: principal },
      'let a person vote',
    );
  const person = principal.slice('person:'.length);
  const stale = checkNames(setting, statement);
  if (stale !== undefined) return stale;
  if (statement.not_after <= time || statement.not_after > addMs(time, maxValidityMs))
    return refuse(
      'vote-expired',
      'V2',
      `the vote is valid until \`${statement.not_after}\`; that must be later than now and within 30 days`,
      { not_after: statement.not_after, time },
      'sign a new vote',
    );
  const before = setting.votes.find((vote) => vote.person === person && vote.revision === change.revision);
  if (before !== undefined)
    return refuse(
      'vote-already-cast',
      'V3',
      `\`${principal}\` already voted on this revision, whatever key is used`,
      { index: before.index },
      'one person has one vote; withdraw the request or veto it to stop it',
    );
  const setback = personSetback(roster, change, person);
  if (setback !== undefined) return refuseVoter(setback, person, change);
  if (statement.decision === 'approve') {
    const open = seatsOpenTo(roster, change, person);
    const wrong = statement.seats.find((seat) => !open.includes(seat));
    if (statement.seats.length === 0 || wrong !== undefined)
      return refuse(
        'vote-seat-unknown',
        'V3',
        `seat \`${wrong ?? 'none'}\` is not open to \`${principal}\``,
        { seats: statement.seats, open },
        `name seats out of: ${open.join(', ')}`,
      );
    if (!levelAtLeast(level, change.gate.sign_with))
      return refuse(
        'vote-level-too-low',
        'V3',
        `this vote was signed at level \`${level}\`; the gate asks for \`${change.gate.sign_with}\``,
        { level, wanted: change.gate.sign_with },
        'sign with a key that shows presence and is enrolled at that level',
      );
  }
  return ok(person);
};

const checkNames = ({ change, digest }: VoteSetting, statement: VoteStatement): Refused | undefined => {
  if (statement.request !== change.request)
    return refuse(
      'vote-wrong-request',
      'V1',
      `the vote was signed for request \`${statement.request}\`, not \`${change.request}\``,
      { request: change.request },
      'a vote holds for the request that was signed, and no other',
    );
  if (statement.revision !== change.revision)
    return refuse(
      'revision-stale',
      'V1',
      `the vote is for revision ${statement.revision}; the request is at revision ${change.revision}`,
      { revision: change.revision },
      'look at the new revision and sign that',
    );
  if (statement.change !== digest)
    return refuse(
      'vote-wrong-change',
      'V1',
      `the vote was signed for change \`${statement.change}\`, the request is \`${digest}\``,
      { change: digest },
      'compare what you saw with what is asked now before signing again',
    );
  return undefined;
};

const voterHelp = {
  'voter-is-producer': [
    'vote-by-producer',
    'had a hand in this change',
    'somebody who neither asked, drove nor wrote it has to decide',
  ],
  'voter-is-executor': ['vote-by-executor', 'will run this change', 'somebody else has to decide'],
  'voter-not-independent': [
    'vote-not-independent',
    'is not independent of who made this change',
    'somebody of another team or line has to decide',
  ],
} as const;

const refuseVoter = (setback: string, person: string, change: ChangeDocument): Refused => {
  const known = Object.hasOwn(voterHelp, setback) ? voterHelp[setback as keyof typeof voterHelp] : undefined;
  const groups = change.gate.seats.map((seat) => seat.group);
  if (known === undefined)
    return refuse(
      'vote-not-entitled',
      'V3',
      `\`person:${person}\` may fill no seat of this gate`,
      { person, groups },
      `its seats are for ${groups.join(', ')}`,
    );
  const [code, why, help] = known;
  return refuse(code, 'V3', `\`person:${person}\` ${why}`, { person, producers: change.producers }, help);
};
