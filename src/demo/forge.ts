// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { digestOf } from '../crypto/digest.ts';
import { parseOpenSshPrivateKey, type PrivateKey } from '../crypto/openssh-private-key.ts';
import { signSsh } from '../crypto/sshsig.ts';
import { makePermit } from '../execute/permit.ts';
import { encodeBase64 } from '../kernel/base64.ts';
import { canonicalize } from '../kernel/canonical-json.ts';
import { requestIdFrom } from '../kernel/ids.ts';
import { addMs } from '../kernel/instant.ts';
import type { JsonObject } from '../kernel/refusal.ts';
import { namespaces, type Envelope, type StatementType } from '../kernel/statements.ts';
import type { Command } from '../lifecycle/command.ts';
import { rootAt } from '../lifecycle/state.ts';
import { submittedChange } from '../lifecycle/submit.ts';
import { rosterAfter } from '../roster/change.ts';
import { bytesOf, type Insider } from './insider.ts';
import { DemoEnded, must } from './steps.ts';

const envelopeOf = (statement: JsonObject, key: PrivateKey): Envelope => {
  const text = canonicalize(statement);
  const namespace = namespaces[statement['type'] as StatementType];
  return { statement: text, signature: encodeBase64(signSsh({ key, message: text, namespace })) };
};

export const requestIn = ({ state }: Insider, id: string) => {
  const request = state.requests.get(id);
  if (request === undefined || state.identity === null) throw new DemoEnded(`no request ${id}`);
  return { request, identity: state.identity };
};

/** A vote in somebody's name, signed by another key. */
export const forgeVote = (insider: Insider, id: string, person: string, key: PrivateKey): void => {
  const { request, identity } = requestIn(insider, id);
  const { change, digest } = request;
  const { size } = insider.state.edge;
  const statement = {
    type: 'countersign.dev/vote/v0',
    ledger: identity.ledger,
    tenant: identity.tenant,
    by: `person:${person}`,
    request: id,
    revision: change.revision,
    change: digest,
    decision: 'approve',
    seats: change.gate.seats.map((seat) => seat.name),
    seen: {
      size,
      root: rootAt(insider.state, size) ?? '',
    },
    comment: null,
    not_after: change.not_after,
  };
  const command: Command = {
    type: 'CastVote',
    envelope: envelopeOf(statement, key),
    seen_proof: null,
    attachments: [],
  };
  const { fingerprint } = key.public;
  const cast = { request: id, revision: change.revision, person, key: fingerprint };
  insider.forge(command, [{ type: 'ApprovalRecorded', ...cast, level: 'own-key', independent: true }]);
};

/** The permit, as if the votes were good, the wait over and the gate met. */
export const issue = (insider: Insider, id: string): void => {
  const { request } = requestIn(insider, id);
  const [first, second] = request.votes.filter((vote) => vote.decision === 'approve').slice(-2);
  if (first === undefined || second === undefined) throw new DemoEnded('the insider needs two votes');
  const names = request.change.gate.seats.map((seat) => seat.name);
  const seats = [first, second].map(({ person, index }, at) => ({ seat: names[at] ?? '', person, index }));
  insider.forge({ type: 'IssuePermit', request: id, attachments: [] }, [
    { type: 'GateMet', request: id, revision: request.change.revision, seats },
  ]);
  const met = requestIn(insider, id).request;
  const permit = makePermit(met, seats, insider.state.governance, insider.time);
  insider.forge({ type: 'IssuePermit', request: id, attachments: [] }, [{ type: 'PermitIssued', permit }]);
};

/** A change of the roster that nobody approved, written as if two founders had. */
export const enrol = (insider: Insider, person: string, key: PrivateKey): void => {
  const { state } = insider;
  const { identity, roster } = state;
  if (identity === null) throw new DemoEnded('no ledger');
  const { fingerprint, line } = key.public;
  const set = {
    [`key/${fingerprint}`]: {
      status: 'active',
      holder: `person:${person}`,
      line,
      level: 'own-key',
      distrusted_from: null,
    },
  };
  const common = { ledger: identity.ledger, tenant: identity.tenant };
  const holding = {
    type: 'countersign.dev/key-possession/v0',
    ...common,
    holder: `person:${person}`,
    key: fingerprint,
  };
  const change = bytesOf({
    type: 'countersign.dev/roster-change/v0',
    from: { version: roster.version, root: roster.root },
    to: { version: roster.version + 1, root: rosterAfter(roster.records, set, []) },
    set,
    remove: [],
    possession: [envelopeOf(holding, key)],
  });
  const content = digestOf(change);
  insider.attach(content, change);
  const nonce = randomBytes(8).toString('hex');
  const statement = {
    type: 'countersign.dev/request/v0',
    ...common,
    by: `person:${person}`,
    drivers: [],
    action: 'governance.roster',
    facts: {},
    reason: content,
    content,
    audience: null,
    executor: null,
    emergency: false,
    nonce,
    not_after: addMs(insider.time, 864e5),
  };
  const request = requestIdFrom(`${nonce}${nonce}`);
  const submission = {
    type: 'SubmitRequest',
    request,
    envelope: envelopeOf(statement, key),
    server_nonce: nonce,
    gathered: [],
    attested: [],
    attachments: [content],
  } as unknown as Command;
  const signed = { statement, text: canonicalize(statement), principal: `person:${person}`, key: fingerprint };
  const moment = { index: state.edge.size, time: insider.time };
  const made = submittedChange(
    { state, identity, moment, attachments: new Map([[content, change]]) },
    submission as never,
    { ...signed, level: 'own-key', independent: true } as never,
  );
  const { digest, change: document } = must('forged change', made);
  const { revision, target, tier, answer_by } = document;
  insider.forge(submission, [
    {
      type: 'RequestSubmitted',
      request,
      revision,
      change: digest,
      action: 'governance.roster',
      target,
      tier,
      raised: [],
      answer_by,
    },
  ]);
  const version = roster.version + 1;
  const governed = { request, change: digest, version, previous: state.governance, rests_on: [], seats: [] };
  const root = rosterAfter(roster.records, set, []);
  insider.forge({ type: 'ActivateChange', request: request, attachments: [content] }, [
    { type: 'RosterChanged', ...governed, root },
  ]);
};

/** The use of the forged permit, by the deployer's real key. */
export const consumption = (insider: Insider, keyFile: string, permit: string, challenge: string): Command => {
  const key = must('deployer key', parseOpenSshPrivateKey(readFileSync(keyFile, 'utf8')));
  const { identity, requests, permits } = insider.state;
  const found = requests.get(permits.get(permit) ?? '')?.permit;
  if (identity === null || found === undefined || found === null) throw new DemoEnded('no permit');
  const statement = {
    type: 'countersign.dev/consumption/v0',
    ledger: identity.ledger,
    tenant: identity.tenant,
    by: found.executor.principal,
    permit,
    change: found.change,
    audience: found.audience,
    challenge,
    at: insider.time,
  };
  return { type: 'ConsumePermit', envelope: envelopeOf(statement, key), attachments: [] };
};
