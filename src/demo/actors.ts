// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { connect, type Client } from '../client/connect.ts';
import { fetchCase, fetchPermit, sendStatement, signerOf, submitRequest, type Ask } from '../client/requests.ts';
import { openSigner, readPublicKey } from '../client/signer.ts';
import {
  commitTo,
  consumptionStatementOf,
  inMs,
  openingOf,
  resultStatementOf,
  reviewStatementOf,
  signStatement,
  stopStatementOf,
  voteStatementOf,
} from '../client/statements.ts';
import { openVerifiedCase } from '../client/verified-case.ts';
import { seatsOpenTo } from '../approve/evaluate-gate.ts';
import type { JsonValue, Result } from '../kernel/refusal.ts';
import type { Envelope } from '../kernel/statements.ts';
import type { Permit } from '../request/request-state.ts';
import type { Handle, Organisation } from './organisation.ts';
import { must } from './steps.ts';

export type Wish = {
  readonly action: string;
  readonly facts: { readonly [name: string]: JsonValue };
  readonly audience: string;
  readonly reason: string;
  readonly emergency?: boolean;
  readonly drivers?: readonly string[];
};

/**
 * Everybody of the organisation, each with a key, a home and a pin of their own, as on machines of their own. Nothing
 * here is allowed more than a stranger with the same key would be.
 */
export class Actors {
  readonly #organisation: Organisation;
  readonly #server: string;
  readonly #clients = new Map<string, Client>();

  constructor(organisation: Organisation, server: string) {
    this.#organisation = organisation;
    this.#server = server;
  }

  async client(handle: Handle): Promise<Client> {
    const known = this.#clients.get(handle);
    if (known !== undefined) return known;
    const { folder, pin, keyOf } = this.#organisation;
    const signer = must(`key of ${handle}`, await openSigner(keyOf(handle), { env: {}, input: false }));
    const home = join(folder, 'homes', handle);
    const client = must(
      `${handle} meets the server`,
      await connect({ server: this.#server, pin, signer, home, allowTrial: true }),
    );
    this.#clients.set(handle, client);
    return client;
  }

  async ask(handle: Handle, wish: Wish) {
    const executor = must('key of deployer', readPublicKey(`${this.#organisation.keyOf('deployer')}.pub`)).fingerprint;
    const ask: Ask = { ...wish, executor, not_after: inMs(3_600_000) };
    return submitRequest(await this.client(handle), ask);
  }

  /** Signs and sends a vote, after deriving what it is about on the voter's own machine. */
  async vote(handle: Handle, id: string, decision: 'approve' | 'reject' = 'approve') {
    const client = await this.client(handle);
    const signed = await this.signVote(handle, id, decision);
    if (!signed.ok) return signed;
    const path = `/v1/requests/${id}/votes`;
    return client.post(path, { envelope: signed.value }, { idempotencyKey: `${handle}-${id}` });
  }

  /** A vote for a request, signed and not sent. Whoever sits at no seat claims them all: the server has to refuse it. */
  async signVote(handle: Handle, id: string, decision: 'approve' | 'reject' = 'approve'): Promise<Result<Envelope>> {
    const client = await this.client(handle);
    const opened = await openVerifiedCase(client, id);
    if (!opened.ok) return opened;
    const by = await client.principal();
    if (!by.ok) return by;
    const { change, digest, roster } = opened.value;
    const open = seatsOpenTo(roster, change, by.value.slice('person:'.length));
    const statement = voteStatementOf(client.anchor, by.value, {
      request: id,
      revision: change.revision,
      change: digest,
      decision,
      seats: open.length > 0 ? open : change.gate.seats.map((seat) => seat.name),
      seen: client.seen().checkpoint,
      comment: null,
      not_after: change.not_after,
    });
    const signer = signerOf(client);
    return signer.ok ? signStatement(signer.value, statement) : signer;
  }

  async veto(handle: Handle, id: string, why: string) {
    const client = await this.client(handle);
    const opened = await openVerifiedCase(client, id);
    if (!opened.ok) return opened;
    const [by, signer] = [must('principal', await client.principal()), must('signer', signerOf(client))];
    const reason = openingOf(why);
    const about = { request: id, change: opened.value.digest, reason: commitTo(reason) };
    const to = { path: `/v1/requests/${id}/veto`, event: ['RequestVetoed'], more: { reason } };
    return sendStatement(client, signer, stopStatementOf(client.anchor, by, 'veto', about), to);
  }

  async review(handle: Handle, id: string, text: string) {
    const client = await this.client(handle);
    const [by, signer] = [must('principal', await client.principal()), must('signer', signerOf(client))];
    const summary = openingOf(text);
    const about = { request: id, finding: 'justified' as const, summary: commitTo(summary) };
    const to = { path: `/v1/requests/${id}/review`, event: ['ReviewClosed'], more: { summary } };
    return sendStatement(client, signer, reviewStatementOf(client.anchor, by, about), to);
  }

  async permit(handle: Handle, id: string) {
    return fetchPermit(await this.client(handle), id);
  }

  async caseText(handle: Handle, id: string) {
    return fetchCase(await this.client(handle), id);
  }

  /** The executor's signed use of a permit, for one enforcement point and its challenge. */
  async consumption(permit: Permit, challenge: string): Promise<Envelope> {
    const client = await this.client('deployer');
    const by = must('principal', await client.principal());
    const { permit: id, change, audience } = permit;
    const statement = consumptionStatementOf(client.anchor, by, { permit: id, change, audience, challenge });
    return must('consumption', await signStatement(must('signer', signerOf(client)), statement));
  }

  async result(permit: string, outcome: 'succeeded' | 'failed') {
    const client = await this.client('deployer');
    const [by, signer] = [must('principal', await client.principal()), must('signer', signerOf(client))];
    const said = { permit, outcome, exit_code: outcome === 'succeeded' ? 0 : 1, output: null };
    const to = { path: `/v1/executions/${permit}/result`, event: ['ResultRecorded'] };
    return sendStatement(client, signer, resultStatementOf(client.anchor, by, said), to);
  }
}
