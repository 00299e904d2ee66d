// SPDX-License-Identifier: Apache-2.0
// A real server on a folder of its own, with the people and keys of test/support/world.ts.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type {
  Accepted,
  EnvelopeBody,
  LedgerInfo,
  PermitAnswer,
  Problem,
  RequestView,
  Submitted,
} from '../../src/contract/api.ts';
import { digestOf, sha256, sha256Hex } from '../../src/crypto/digest.ts';
import { formatOpenSshPrivateKey } from '../../src/crypto/openssh-private-key.ts';
import { noteSigner } from '../../src/crypto/signed-note.ts';
import { signSsh } from '../../src/crypto/sshsig.ts';
import { encodeBase64 } from '../../src/kernel/base64.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import { addMs, instantFromMs, type Instant } from '../../src/kernel/instant.ts';
import type { JsonObject, JsonValue } from '../../src/kernel/refusal.ts';
import type { CommandOf } from '../../src/lifecycle/command.ts';
import type { CompiledPolicy } from '../../src/policy/compiled.ts';
import { policyDigest } from '../../src/policy/policy-shape.ts';
import { subjectOf } from '../../src/request/draft.ts';
import { rosterRoot } from '../../src/roster/roster.ts';
import { foundLedger } from '../../src/server/found-ledger.ts';
import { startServer, type RunningServer } from '../../src/server/serve.ts';
import type { ServeOptions } from '../../src/server/serve-settings.ts';
import { mintToken } from '../../src/server/tokens.ts';
import {
  day,
  deployAction,
  fingerprintOf,
  keyOf,
  keys,
  personOf,
  policyOf,
  rosterRecords,
  sign,
} from '../support/world.ts';

export const logSeed = sha256('countersign test log key');
const machines: Readonly<Record<string, string>> = {
  ci: 'machine:ci',
  deployer: 'machine:deployer',
  agent: 'machine:agent',
  'grace-second': `person:${personOf('grace')}`,
};
/** Principal whose key it is: `ada` is a person, `ci` a machine. */
export const principalOf = (name: string): string => machines[name] ?? `person:${personOf(name)}`;

export type FoundOptions = {
  readonly policy?: CompiledPolicy;
  readonly records?: { [key: string]: JsonObject };
  readonly nonce?: string;
};

/** A genesis that everybody in the roster signed, ready for `foundLedger`. */
export const signedGenesis = ({
  policy = policyOf(deployAction()),
  records = rosterRecords(),
  nonce = '0123456789abcdef0123456789abcdef',
}: FoundOptions = {}): {
  readonly genesis: CommandOf<'Genesis'>;
  readonly attachments: ReadonlyMap<string, Uint8Array>;
} => {
  const document = Buffer.from(canonicalize({ type: 'countersign.dev/roster/v0', records }));
  const compiled = Buffer.from(canonicalize(policy as unknown as JsonObject));
  const statement = canonicalize({
    type: 'countersign.dev/genesis/v0',
    tenant: 'main',
    created_at: '2026-01-05T09:00:00.000Z',
    trial: true,
    nonce,
    log_key: encodeBase64(noteSigner('log', logSeed).publicKey),
    founders: ['grace', 'radia', 'margaret'].map(personOf),
    threshold: 2,
    recovery: null,
    roster: { root: rosterRoot(new Map(Object.entries(records))), document: digestOf(document) },
    policy: policyDigest(policy),
  });
  const signatures = Object.keys(keys)
    .filter((name) => Object.hasOwn(records, `key/${fingerprintOf(name)}`))
    .map((name) =>
      encodeBase64(signSsh({ key: keyOf(name), message: statement, namespace: 'countersign-genesis@v1' })),
    );
  return {
    genesis: { type: 'Genesis', statement, signatures, attachments: [digestOf(document), policyDigest(policy)] },
    attachments: new Map([
      [digestOf(document), document],
      [policyDigest(policy), compiled],
    ]),
  };
};

export type HttpAnswer<T> = { readonly status: number; readonly body: T & Problem; readonly headers: Headers };

/** Posts or gets and reads the answer as JSON. */
export const call = async <T = JsonObject>(url: string, init: RequestInit = {}): Promise<HttpAnswer<T>> => {
  const response = await fetch(url, { redirect: 'manual', ...init });
  const text = await response.text();
  const isJson = /json/.test(response.headers.get('content-type') ?? '');
  return {
    status: response.status,
    body: (isJson && text !== '' ? JSON.parse(text) : { text }) as T & Problem,
    headers: response.headers,
  };
};

let nonces = 0;
const freshNonce = (): string => {
  nonces += 1;
  return sha256Hex(`${process.pid} ${process.hrtime.bigint()} ${nonces}`).slice(0, 16);
};

/** A running server and whoever talks to it. */
export class Running {
  readonly dir: string;
  readonly server: RunningServer;
  readonly url: string;
  readonly token: string;
  readonly pin: string;
  readonly logs: string[];

  constructor(dir: string, server: RunningServer, token: string, pin: string, logs: string[]) {
    this.dir = dir;
    this.server = server;
    this.url = server.url;
    this.token = token;
    this.pin = pin;
    this.logs = logs;
  }

  /** Stops the server and removes its folder. */
  async close(): Promise<void> {
    await this.server.stop();
    rmSync(join(this.dir, '..'), { recursive: true, force: true });
  }

  get<T = JsonObject>(path: string, headers: Record<string, string> = {}): Promise<HttpAnswer<T>> {
    return call<T>(this.url + path, { headers: { authorization: `Bearer ${this.token}`, ...headers } });
  }

  post<T = JsonObject>(path: string, body: unknown, headers: Record<string, string> = {}): Promise<HttpAnswer<T>> {
    return call<T>(this.url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  }

  now(): Instant {
    return instantFromMs(Date.now());
  }

  common(by: string): { ledger: string; tenant: string; by: string } {
    return { ledger: this.pin, tenant: 'main', by: principalOf(by) };
  }

  attest(fact: string, value: JsonValue, subject: string, by = 'radia'): EnvelopeBody {
    return sign(
      {
        type: 'countersign.dev/fact/v0',
        ...this.common(by),
        action: 'deploy.production',
        fact,
        value,
        subject,
        not_after: addMs(this.now(), day),
      },
      by,
    );
  }

  /** Body of `POST /v1/requests`, signed by `by`. */
  requestBody(over: JsonObject = {}, by = 'ada'): { envelope: EnvelopeBody; [field: string]: unknown } {
    const nonce = freshNonce();
    const reason = { salt: '0'.repeat(32), text: 'because' };
    const statement = {
      type: 'countersign.dev/request/v0',
      ...this.common(by),
      drivers: [],
      action: 'deploy.production',
      facts: { service: 'shop', risk: 10 },
      reason: digestOf(canonicalize(reason)),
      content: null,
      audience: 'web',
      executor: fingerprintOf('deployer'),
      emergency: false,
      nonce,
      not_after: addMs(this.now(), day),
      ...over,
    };
    const body = {
      envelope: sign(statement, by),
      reason,
      attested: [this.attest('tested', true, subjectOf(statement))],
    };
    return over['reason'] === undefined ? body : { envelope: body.envelope, attested: body.attested };
  }

  /** Submits and gives the answer; the request was accepted. */
  async ask(over: JsonObject = {}, by = 'ada'): Promise<Submitted> {
    const { status, body } = await this.post<Submitted>('/v1/requests', this.requestBody(over, by));
    assert.equal(status, 201, JSON.stringify(body));
    return body;
  }

  async show(id: string): Promise<RequestView> {
    const { status, body } = await this.get<RequestView>(`/v1/requests/${id}`);
    assert.equal(status, 200, JSON.stringify(body));
    return body;
  }

  async info(): Promise<LedgerInfo> {
    return (await this.get<LedgerInfo>('/v1/ledger')).body;
  }

  /** A signed vote; `seats` by default all whose group the voter is in. */
  async voteBody(id: string, by: string, over: JsonObject = {}, key = by): Promise<{ envelope: EnvelopeBody }> {
    const view = await this.show(id);
    const { size, root } = await this.info();
    const change = JSON.parse(view.change_text) as { gate: { seats: { name: string; group: string }[] } };
    const records = rosterRecords();
    const seats = change.gate.seats
      .filter(({ group }) => {
        const members = records[group.replace(':', '/')]?.['members'] as readonly string[] | undefined;
        return members?.includes(personOf(by));
      })
      .map(({ name }) => name);
    const statement = {
      type: 'countersign.dev/vote/v0',
      ...this.common(by),
      request: id,
      revision: view.revision,
      change: view.change,
      decision: 'approve',
      seats,
      seen: { size, root },
      comment: null,
      not_after: addMs(this.now(), day),
      ...over,
    };
    return { envelope: sign(statement, key) };
  }

  async vote(id: string, by: string, over: JsonObject = {}): Promise<HttpAnswer<Accepted>> {
    return this.post<Accepted>(`/v1/requests/${id}/votes`, await this.voteBody(id, by, over));
  }

  async permit(id: string): Promise<HttpAnswer<PermitAnswer>> {
    return this.post<PermitAnswer>(`/v1/requests/${id}/permit`, {});
  }

  consumptionBody(permit: string, change: string, over: JsonObject = {}, by = 'deployer'): { envelope: EnvelopeBody } {
    const statement = {
      type: 'countersign.dev/consumption/v0',
      ...this.common(by),
      permit,
      change,
      audience: 'web',
      challenge: freshNonce() + freshNonce(),
      at: this.now(),
      ...over,
    };
    return { envelope: sign(statement, by) };
  }

  resultBody(permit: string, outcome = 'succeeded', by = 'deployer'): { envelope: EnvelopeBody } {
    const statement = {
      type: 'countersign.dev/result/v0',
      ...this.common(by),
      permit,
      outcome,
      exit_code: 0,
      output: null,
      at: this.now(),
    };
    return { envelope: sign(statement, by) };
  }

  async stopBody(id: string, by: string, kind: 'veto' | 'withdrawal'): Promise<{ envelope: EnvelopeBody }> {
    const { change } = await this.show(id);
    const statement = {
      type: `countersign.dev/${kind}/v0`,
      ...this.common(by),
      request: id,
      change,
      reason: null,
      at: this.now(),
    };
    return { envelope: sign(statement, by) };
  }

  /** Asks, lets `linus` approve, and fetches the permit. */
  async permitted(): Promise<{ readonly request: Submitted; readonly permit: PermitAnswer }> {
    const request = await this.ask();
    const voted = await this.vote(request.request, 'linus');
    assert.equal(voted.status, 201, JSON.stringify(voted.body));
    const permit = await this.permit(request.request);
    assert.equal(permit.status, 200, JSON.stringify(permit.body));
    return { request, permit: permit.body };
  }

  /** Private key of somebody, as an OpenSSH file of mode 0600 beside the data folder. */
  keyFile(name: string): string {
    const file = join(this.dir, '..', `${name}.key`);
    writeFileSync(file, formatOpenSshPrivateKey(keyOf(name), name), { mode: 0o600 });
    return file;
  }
}

/** A data folder with a ledger, and a read token for it; no server yet. */
export const found = async (
  options: FoundOptions = {},
): Promise<{ readonly dir: string; readonly token: string; readonly pin: string }> => {
  const dir = join(mkdtempSync(join(tmpdir(), 'countersign-')), 'data');
  const { genesis, attachments } = signedGenesis(options);
  const founded = await foundLedger(dir, { genesis, attachments, logSeed });
  assert.ok(founded.ok, founded.ok ? '' : founded.refusal.message);
  const minted = mintToken(dir, { label: 'test', validMs: day });
  assert.ok(minted.ok);
  return { dir, token: minted.value.token, pin: founded.value.ledger };
};

/** Founds a ledger and serves it on a free port of 127.0.0.1. Close it at the end. */
export const startRunning = async (
  options: FoundOptions & Omit<Partial<ServeOptions>, 'dir'> = {},
): Promise<Running> => {
  const { policy, records, nonce, ...serve } = options;
  const { dir, token, pin } = await found({
    ...(policy === undefined ? {} : { policy }),
    ...(records === undefined ? {} : { records }),
    ...(nonce === undefined ? {} : { nonce }),
  });
  return serveFolder(dir, token, pin, serve);
};

const started = new Set<RunningServer>();

/** Stops whatever was started here and not stopped, as when a test failed halfway; give it to `after`. */
export const stopAll = async (): Promise<void> => {
  for (const server of started) await server.stop();
};

/** Serves a data folder that is there already. */
export const serveFolder = async (
  dir: string,
  token: string,
  pin: string,
  options: Omit<Partial<ServeOptions>, 'dir'> = {},
): Promise<Running> => {
  const logs: string[] = [];
  const server = await startServer({ dir, log: (lines) => void logs.push(lines), ...options });
  assert.ok(server.ok, server.ok ? '' : `${server.refusal.code}: ${server.refusal.message}`);
  started.add(server.value);
  return new Running(dir, server.value, token, pin, logs);
};

/** What attested facts of this request body are about. */
export const subjectIn = (body: { readonly envelope: { readonly statement: string } }): string =>
  subjectOf(JSON.parse(body.envelope.statement) as Parameters<typeof subjectOf>[0]);
