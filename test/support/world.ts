// SPDX-License-Identifier: Apache-2.0
// A small organisation with real keys, folded through the real core without a server: given, when, then.
import assert from 'node:assert/strict';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import { encodeBase64 } from '../../src/kernel/base64.ts';
import type { Decision } from '../../src/kernel/decider.ts';
import { requestIdFrom } from '../../src/kernel/ids.ts';
import { addMs, instantFromMs, type Instant } from '../../src/kernel/instant.ts';
import type { JsonObject, JsonValue } from '../../src/kernel/refusal.ts';
import { namespaces, type Envelope, type StatementType } from '../../src/kernel/statements.ts';
import { digestOf, sha256Hex } from '../../src/crypto/digest.ts';
import type { PrivateKey } from '../../src/crypto/openssh-private-key.ts';
import { signSsh } from '../../src/crypto/sshsig.ts';
import { leafHash, rootOf } from '../../src/ledger/merkle.ts';
import type { CompiledAction, CompiledPolicy, CompiledTier } from '../../src/policy/compiled.ts';
import { policyDigest } from '../../src/policy/policy-shape.ts';
import type { Command } from '../../src/lifecycle/command.ts';
import { decide } from '../../src/lifecycle/decide.ts';
import type { LifecycleEvent } from '../../src/lifecycle/event.ts';
import { evolve } from '../../src/lifecycle/evolve.ts';
import { initialState, type State } from '../../src/lifecycle/state.ts';
import { subjectOf } from '../../src/request/draft.ts';
import { rosterRoot } from '../../src/roster/roster.ts';
import { seedKey } from './seed-key.ts';

export const minute = 60_000;
export const hour = 60 * minute;
export const day = 24 * hour;

/** Everybody, by a short name; team in brackets. */
export const people = {
  ada: 'dev',
  bob: 'dev',
  grace: 'platform',
  linus: 'platform',
  radia: 'security',
  margaret: 'ops',
  vint: 'risk',
} as const;
export type Name = keyof typeof people;
export const personOf = (name: string): string => `p_${name}0`;

export const tier = (over: Partial<CompiledTier> = {}): CompiledTier => ({
  name: 'standard',
  from_score: 0,
  seats: [{ name: 'platform', count: 1, group: 'group:platform' }],
  must_not_share: [],
  sign_with: 'own-key',
  independent_surface: 0,
  time_lock: null,
  review_percent: 0,
  ...over,
});

export const deployAction = (over: Partial<CompiledAction> = {}): CompiledAction => ({
  name: 'deploy.production',
  owner: 'group:platform',
  target: 'production/{service}',
  enforced: 'target-verified',
  facts: {
    service: { type: 'name', source: { kind: 'requester' }, max: null },
    risk: { type: 'int', source: { kind: 'requester' }, max: 100 },
    tested: { type: 'bool', source: { kind: 'attested', by: 'group:security' }, max: null },
  },
  ask: ['group:developers', 'machine:ci'],
  made_by: ['requester'],
  run: ['machine:deployer'],
  risk: { start: 0, add: [], never_below: [] },
  tiers: [
    tier(),
    tier({
      name: 'strict',
      from_score: 50,
      seats: [
        { name: 'platform', count: 1, group: 'group:platform' },
        { name: 'security', count: 1, group: 'group:security' },
      ],
      time_lock: { wait_ms: 15 * minute, veto: ['group:oncall'] },
    }),
  ],
  timing: { answer_within_ms: 4 * hour, permit_valid_ms: 15 * minute, review_within_ms: 3 * day },
  reviewers: 'group:risk',
  consume: 'online',
  emergency: {
    ask: ['group:oncall', 'group:developers'],
    confirm: { count: 1, group: 'group:commanders' },
    lasts_ms: hour,
    review_within_ms: day,
  },
  ...over,
});

export const governanceAction = (name: string): CompiledAction =>
  deployAction({
    name,
    target: name.replace('.', '/'),
    owner: 'group:founders',
    enforced: 'advisory',
    facts: {},
    ask: ['group:founders'],
    run: [],
    tiers: [tier({ name: 'governance', seats: [{ name: 'founders', count: 2, group: 'group:founders' }] })],
    reviewers: null,
    emergency: null,
  });

export const policyOf = (...actions: readonly CompiledAction[]): CompiledPolicy => ({
  type: 'countersign.dev/policy/v0',
  commit: null,
  actions: Object.fromEntries(
    [...actions, governanceAction('governance.policy'), governanceAction('governance.roster')].map((action) => [
      action.name,
      action,
    ]),
  ),
});

export const keys: Readonly<Record<string, PrivateKey>> = Object.fromEntries(
  [...Object.keys(people), 'grace-second', 'ci', 'deployer', 'stranger', 'agent'].map((name) => [name, seedKey(name)]),
);
export const keyOf = (name: string): PrivateKey => {
  const key = keys[name];
  assert.ok(key, `no key of ${name}`);
  return key;
};
export const fingerprintOf = (name: string): string => keyOf(name).public.fingerprint;

export const sign = (statement: JsonObject, name: string, namespace?: string): Envelope => {
  const text = canonicalize(statement);
  const purpose = namespace ?? namespaces[statement['type'] as StatementType];
  return { statement: text, signature: encodeBase64(signSsh({ key: keyOf(name), message: text, namespace: purpose })) };
};

const holders: Readonly<Record<string, string>> = {
  'grace-second': `person:${personOf('grace')}`,
  ci: 'machine:ci',
  deployer: 'machine:deployer',
  agent: 'machine:agent',
};

export const rosterRecords = (): { [key: string]: JsonObject } => {
  const records: { [key: string]: JsonObject } = {};
  for (const [name, team] of Object.entries(people))
    records[`person/${personOf(name)}`] = { status: 'active', attributes: { team } };
  records['machine/ci'] = { status: 'active', accountable: personOf('ada'), purpose: 'builds' };
  records['machine/agent'] = { status: 'active', accountable: personOf('grace'), purpose: 'helps grace' };
  records['machine/deployer'] = { status: 'active', accountable: personOf('margaret'), purpose: 'deploys' };
  for (const name of Object.keys(keys)) {
    if (name === 'stranger') continue;
    const key = keyOf(name).public;
    records[`key/${key.fingerprint}`] = {
      status: 'active',
      holder: holders[name] ?? `person:${personOf(name)}`,
      line: key.line,
      level: 'own-key',
      distrusted_from: null,
    };
  }
  const group = (name: string, ...members: readonly Name[]): void => {
    records[`group/${name}`] = { members: members.map(personOf) };
  };
  group('developers', 'ada', 'bob', 'grace');
  group('platform', 'grace', 'linus', 'ada');
  group('security', 'radia', 'grace');
  group('oncall', 'margaret', 'linus');
  group('commanders', 'linus', 'radia');
  group('founders', 'grace', 'radia', 'margaret', 'vint');
  group('risk', 'vint', 'linus');
  records['instance/web'] = { status: 'active', actions: ['deploy.production'], operator: 'machine:deployer' };
  records['instance/other'] = { status: 'active', actions: ['deploy.production'], operator: 'machine:deployer' };
  return records;
};

export type Answer = { readonly decision: Decision<LifecycleEvent>; readonly index: number };

/** A ledger in memory: time is set by hand, every command goes through `decide` and `evolve`. */
export class World {
  state: State = initialState;
  time: Instant;
  readonly blobs = new Map<string, Uint8Array>();
  readonly entries: string[] = [];
  ledger = '';
  readonly tenant = 'main';
  private nonce = 0;

  constructor(policy: CompiledPolicy = policyOf(deployAction()), records = rosterRecords()) {
    this.time = instantFromMs(Date.parse('2026-11-23T12:00:00.000Z'));
    this.accept(this.genesis(policy, records));
  }

  attach(document: JsonObject | string): string {
    const bytes = Buffer.from(typeof document === 'string' ? document : canonicalize(document));
    this.blobs.set(digestOf(bytes), bytes);
    return digestOf(bytes);
  }

  genesis(policy: CompiledPolicy, records: { [key: string]: JsonObject }, over: JsonObject = {}): Command {
    const document = this.attach({ type: 'countersign.dev/roster/v0', records });
    this.blobs.set(policyDigest(policy), Buffer.from(canonicalize(policy as unknown as JsonObject)));
    const statement = canonicalize({
      type: 'countersign.dev/genesis/v0',
      tenant: this.tenant,
      created_at: this.time,
      trial: true,
      nonce: '0123456789abcdef0123456789abcdef',
      log_key: `${'A'.repeat(43)}=`,
      founders: ['grace', 'radia', 'margaret'].map(personOf),
      threshold: 2,
      recovery: null,
      roster: { root: rosterRoot(new Map(Object.entries(records))), document },
      policy: policyDigest(policy),
      ...over,
    });
    this.ledger = digestOf(statement);
    const signatures = Object.keys(keys)
      .filter((name) => name !== 'stranger')
      .map((name) =>
        encodeBase64(signSsh({ key: keyOf(name), message: statement, namespace: 'countersign-genesis@v1' })),
      );
    return { type: 'Genesis', statement, signatures, attachments: [document, policyDigest(policy)] };
  }

  send(command: Command): Answer {
    const moment = { index: this.state.edge.size, time: this.time };
    const attachments = new Map(
      ('attachments' in command ? command.attachments : []).map((digest) => [
        digest,
        this.blobs.get(digest) ?? new Uint8Array(),
      ]),
    );
    const decision = decide(this.state, command, moment, attachments);
    if (decision.events.length === 0) return { decision, index: -1 };
    const text = canonicalize({
      tenant: this.tenant,
      index: moment.index,
      time: moment.time,
      semantics: 0,
      command: command as JsonValue,
      events: decision.events as unknown as JsonValue,
    });
    this.entries.push(text);
    this.state = evolve(
      this.state,
      { ...moment, command, events: decision.events, leafHash: leafHash(text) },
      attachments,
    );
    return { decision, index: moment.index };
  }

  /** The command is accepted; gives its events. */
  accept(command: Command): readonly LifecycleEvent[] {
    const { decision } = this.send(command);
    assert.equal(
      decision.kind,
      'accepted',
      decision.kind === 'refused' ? `${decision.refusal.code}: ${decision.refusal.message}` : '',
    );
    return decision.events;
  }

  /** The command is refused with this code; gives the events that were recorded all the same. */
  refuse(command: Command, code: string): readonly LifecycleEvent[] {
    const { decision } = this.send(command);
    assert.equal(decision.kind, 'refused', `expected ${code}, but it was accepted`);
    assert.equal(
      decision.kind === 'refused' && decision.refusal.code,
      code,
      decision.kind === 'refused' ? decision.refusal.message : '',
    );
    return decision.events;
  }

  later(ms: number): this {
    this.time = addMs(this.time, ms);
    return this;
  }

  common(by: string): { ledger: string; tenant: string; by: string } {
    return { ledger: this.ledger, tenant: this.tenant, by };
  }

  freshNonce(): string {
    this.nonce += 1;
    return this.nonce.toString(16).padStart(16, '0');
  }

  attest(fact: string, value: JsonValue, subject: string, by = 'radia', over: JsonObject = {}): Envelope {
    return sign(
      {
        type: 'countersign.dev/fact/v0',
        ...this.common(`person:${personOf(by)}`),
        action: 'deploy.production',
        fact,
        value,
        subject,
        not_after: addMs(this.time, day),
        ...over,
      },
      by,
    );
  }

  request(
    over: JsonObject = {},
    options: {
      by?: string;
      principal?: string;
      attested?: readonly Envelope[];
      gathered?: readonly JsonObject[];
      attachments?: readonly string[];
    } = {},
  ): Extract<Command, { type: 'SubmitRequest' }> {
    const by = options.by ?? 'ada';
    const nonce = this.freshNonce();
    const principal = options.principal ?? (holders[by] || `person:${personOf(by)}`);
    const statement = {
      type: 'countersign.dev/request/v0',
      ...this.common(principal),
      drivers: [],
      action: 'deploy.production',
      facts: { service: 'shop', risk: 10 },
      reason: digestOf('because'),
      content: null,
      audience: 'web',
      executor: fingerprintOf('deployer'),
      emergency: false,
      nonce,
      not_after: addMs(this.time, day),
      ...over,
    };
    const server_nonce = sha256Hex(nonce).slice(0, 16);
    const attested = options.attested ?? [this.attest('tested', true, subjectOf(statement))];
    return {
      type: 'SubmitRequest',
      request: requestIdFrom(nonce + server_nonce),
      envelope: sign(statement, by),
      server_nonce,
      gathered: (options.gathered ?? []) as never,
      attested,
      attachments: options.attachments ?? [],
    };
  }

  /** Submits a request and gives its id. */
  ask(over: JsonObject = {}, options: Parameters<World['request']>[1] = {}): string {
    const command = this.request(over, options);
    this.accept(command);
    return command.request;
  }

  stateOf(id: string): NonNullable<ReturnType<State['requests']['get']>> {
    const request = this.state.requests.get(id);
    assert.ok(request, `no request ${id}`);
    return request;
  }

  vote(id: string, by: string, over: JsonObject = {}, key = by): Command {
    const { change, digest } = this.stateOf(id);
    const statement = {
      type: 'countersign.dev/vote/v0',
      ...this.common(`person:${personOf(by)}`),
      request: id,
      revision: change.revision,
      change: digest,
      decision: 'approve',
      seats: change.gate.seats
        .filter((seat) =>
          (rosterRecords()[seat.group.replace(':', '/')]?.['members'] as readonly string[] | undefined)?.includes(
            personOf(by),
          ),
        )
        .map((seat) => seat.name),
      seen: { size: this.state.edge.size, root: rootOf(this.state.edge) },
      comment: null,
      not_after: addMs(this.time, day),
      ...over,
    };
    return { type: 'CastVote', envelope: sign(statement, key), seen_proof: null, attachments: [] };
  }

  stop(id: string, by: string, kind: 'veto' | 'withdrawal', over: JsonObject = {}): Command {
    const statement = {
      type: `countersign.dev/${kind}/v0`,
      ...this.common(`person:${personOf(by)}`),
      request: id,
      change: this.stateOf(id).digest,
      reason: null,
      at: this.time,
      ...over,
    };
    return { type: 'StopRequest', envelope: sign(statement, by), attachments: [] };
  }

  permit(id: string): Command {
    return { type: 'IssuePermit', request: id, attachments: [] };
  }

  consumption(id: string, over: JsonObject = {}, by = 'deployer'): Command {
    const { permit } = this.stateOf(id);
    assert.ok(permit);
    const statement = {
      type: 'countersign.dev/consumption/v0',
      ...this.common(holders[by] ?? `person:${personOf(by)}`),
      permit: permit.permit,
      change: permit.change,
      audience: permit.audience,
      challenge: '0'.repeat(32),
      at: this.time,
      ...over,
    };
    return { type: 'ConsumePermit', envelope: sign(statement, by), attachments: [] };
  }

  result(id: string, outcome: string, by = 'deployer'): Command {
    const { permit } = this.stateOf(id);
    assert.ok(permit);
    const statement = {
      type: 'countersign.dev/result/v0',
      ...this.common(holders[by] ?? `person:${personOf(by)}`),
      permit: permit.permit,
      outcome,
      exit_code: 0,
      output: null,
      at: this.time,
    };
    return { type: 'RecordResult', envelope: sign(statement, by), attachments: [] };
  }

  review(id: string, by: string, finding = 'justified'): Command {
    const statement = {
      type: 'countersign.dev/review/v0',
      ...this.common(`person:${personOf(by)}`),
      request: id,
      finding,
      summary: digestOf('seen'),
      at: this.time,
    };
    return { type: 'CloseReview', envelope: sign(statement, by), attachments: [] };
  }

  tick(): Command {
    return { type: 'Tick', attachments: [] };
  }
}
