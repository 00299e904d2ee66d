// SPDX-License-Identifier: Apache-2.0
import { digestOf } from '../crypto/digest.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { factStatement, type RequestStatement } from '../kernel/statements.ts';
import { buildChange, isGovernance } from '../assess/build-change.ts';
import type { ChangeDocument } from '../request/change-document.ts';
import { subjectOf } from '../request/draft.ts';
import { resolveFacts } from '../request/facts.ts';
import { readRequest } from '../request/read-request.ts';
import type { Submission } from '../request/submission.ts';
import { readStatement, type Signed } from '../roster/authenticate.ts';
import type { LifecycleEvent } from './event.ts';
import { previewChange } from './governance.ts';
import { accepted, refused, type Outcome, type Setting } from './outcome.ts';
import { actionOf, changeDigest } from './settle.ts';
import { emergencyDebtOpen } from './state.ts';

export type Submitted = {
  readonly requester: Signed<RequestStatement>;
  readonly change: ChangeDocument;
  readonly digest: string;
  /** Digests of what serves once: the request statement, and what was attested for it. */
  readonly serveOnce: readonly string[];
  /** Fingerprints of all keys that it rests on: who asked, who vouched for facts, who signed the commits. */
  readonly keys: readonly string[];
};

/** LC1–LC3: who asks, what exactly, how risky, and so which gate. */
export const decideSubmit = (setting: Setting, command: Submission): Outcome => {
  const { state, attachments } = setting;
  const requester = readRequest(state.roster, setting.identity, command);
  if (!requester.ok) return refused(requester);
  const { principal, statement } = requester.value;
  if (servesOnce(command, statement).some((digest) => state.used.has(digest)) || state.requests.has(command.request))
    return refused(
      refuse(
        'statement-replayed',
        'Q5',
        'this request statement, or a fact that was attested for it, served another request before',
        { request: command.request },
        'sign a new statement with a fresh nonce, and have its facts attested for that',
      ),
      principal,
    );
  const submitted = submittedChange(setting, command, requester.value);
  if (!submitted.ok) return refused(submitted, principal);
  if (isGovernance(statement.action)) {
    const sound = previewChange(setting, submitted.value.change, attachments);
    if (sound !== undefined) return refused(sound, principal);
  } else if (statement.content !== null && attachments.get(statement.content) === undefined) {
    return refused(contentMissing(statement.content), principal);
  }
  const { change, digest } = submitted.value;
  const { request, revision, action, target, tier, gate, answer_by } = change;
  const alarm: readonly LifecycleEvent[] = change.emergency
    ? [{ type: 'BreakGlassInvoked', request, action, by: change.requester }]
    : [];
  return accepted(
    {
      type: 'RequestSubmitted',
      request,
      revision,
      change: digest,
      action,
      target,
      tier,
      raised: gate.raised,
      answer_by,
    },
    ...alarm,
  );
};

// A42: what was vouched for in one request must not come along in a second one with the same nonce (SPEC F5). An
// attestation of another draft serves nothing here, so that nobody uses it up for whoever it was made for.
const servesOnce = ({ envelope, attested }: Submission, statement: RequestStatement): readonly string[] => {
  const subject = subjectOf(statement);
  const own = attested.filter((one) => {
    const fact = readStatement(one.statement, factStatement);
    return fact.ok && fact.value.subject === subject;
  });
  return [envelope, ...own].map((one) => digestOf(one.statement));
};

const contentMissing = (content: string): Refused =>
  refuse(
    'attachment-missing',
    'Q4',
    `content \`${content}\` is not attached`,
    { content },
    'attach the document whose digest the request names, so that people can read what they approve',
  );

type Remembered = {
  readonly roster: object;
  readonly policy: object | null;
  readonly time: string;
  readonly result: Result<Submitted>;
};
// The live path decides and evolves the same command object on the same state: the same answer need not be built twice.
const remembered = new WeakMap<object, Remembered>();

/** The change document of a submission; a pure function of the setting, so that `evolve` and the verifier can call it again. */
export const submittedChange = (
  setting: Setting,
  command: Submission,
  signed?: Signed<RequestStatement>,
): Result<Submitted> => {
  const { state, moment } = setting;
  const before = remembered.get(command);
  if (
    before !== undefined &&
    before.roster === state.roster &&
    before.policy === state.policy &&
    before.time === moment.time
  )
    return before.result;
  const result = buildSubmitted(setting, command, signed);
  remembered.set(command, { roster: state.roster, policy: state.policy, time: moment.time, result });
  return result;
};

const buildSubmitted = (
  setting: Setting,
  command: Submission,
  signed?: Signed<RequestStatement>,
): Result<Submitted> => {
  const { state, moment, attachments } = setting;
  const identity = { ledger: setting.identity.ledger, tenant: setting.identity.tenant };
  const read = signed === undefined ? readRequest(state.roster, identity, command) : ok(signed);
  if (!read.ok) return read;
  const { statement } = read.value;
  const action = actionOf(state, statement.action);
  if (action === undefined)
    return refuse(
      'action-unknown',
      'Q1',
      `there is no action \`${statement.action}\` in the policy in force`,
      { action: statement.action },
      `actions are ${Object.keys(state.policy?.actions ?? {}).join(', ') || 'none'}`,
    );
  const facts = resolveFacts({
    roster: state.roster,
    identity,
    action,
    statement,
    submission: command,
    attachments,
    time: moment.time,
  });
  if (!facts.ok) return facts;
  const change = buildChange({
    identity,
    roster: state.roster,
    action,
    submission: command,
    requester: read.value,
    facts: facts.value.facts,
    revision: 1,
    time: moment.time,
    debtOpen: emergencyDebtOpen(state),
  });
  return change.ok
    ? ok({
        requester: read.value,
        change: change.value,
        digest: changeDigest(change.value),
        serveOnce: servesOnce(command, statement),
        keys: [...new Set([read.value.key, ...facts.value.keys])],
      })
    : change;
};
