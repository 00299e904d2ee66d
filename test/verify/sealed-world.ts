// SPDX-License-Identifier: Apache-2.0
// A world whose checkpoints are signed by a real log key, and which writes permit files, evidence and cases from it.
import assert from 'node:assert/strict';
import { encodeBase64 } from '../../src/kernel/base64.ts';
import { canonicalize, parseCanonical } from '../../src/kernel/canonical-json.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import { sha256 } from '../../src/crypto/digest.ts';
import { noteSigner, type NoteSigner } from '../../src/crypto/signed-note.ts';
import { signCheckpoint } from '../../src/ledger/checkpoint.ts';
import { leafHash, rootOf } from '../../src/ledger/merkle.ts';
import { consistencyProof, inclusionProof } from '../../src/ledger/proof.ts';
import { MerkleSlab } from '../../src/ledger/slab.ts';
import type { Command } from '../../src/lifecycle/command.ts';
import { initialState } from '../../src/lifecycle/state.ts';
import { policyDigest } from '../../src/policy/policy-shape.ts';
import type { CompiledPolicy } from '../../src/policy/compiled.ts';
import { rosterAfter } from '../../src/roster/change.ts';
import { blobsNamed, entriesFor, type FileParts } from '../../src/verify/collect.ts';
import { formatCaseFile, formatEvidence, formatPermitFile } from '../../src/verify/verify.ts';
import { deployAction, fingerprintOf, personOf, policyOf, rosterRecords, World } from '../support/world.ts';

export const logSeed = sha256('countersign test key log');
const nonce = '0123456789abcdef0123456789abcdef';
export const signerFor = (trial: boolean): NoteSigner =>
  noteSigner(`countersign${trial ? '-trial' : ''}/${nonce}`, logSeed);

export const recovery = {
  holders: [
    { person: personOf('grace'), key: fingerprintOf('grace') },
    { person: personOf('radia'), key: fingerprintOf('radia') },
  ],
  threshold: 2,
  delay_ms: 7 * 86_400_000,
};

export class SealedWorld extends World {
  readonly signer: NoteSigner;

  constructor(
    options: {
      policy?: CompiledPolicy;
      records?: { [key: string]: JsonObject };
      trial?: boolean;
      time?: World['time'];
    } = {},
  ) {
    const policy = options.policy ?? policyOf(deployAction());
    super(policy, options.records);
    const trial = options.trial ?? true;
    this.signer = signerFor(trial);
    // Begins again, this time with the key that really signs.
    this.state = initialState;
    this.entries.length = 0;
    this.time = options.time ?? this.time;
    const over = { log_key: encodeBase64(this.signer.publicKey), trial, ...(trial ? {} : { recovery }) };
    this.accept(this.genesis(policy, options.records ?? rosterRecords(), over));
  }

  /** What the server would have in hand at this size of the ledger. */
  parts(request: string, size = this.entries.length): FileParts {
    const indexes = entriesFor(this.state, request).filter((index) => index < size);
    return partsFrom(this.entries.slice(0, size), indexes, this.blobs, this.signer, request);
  }

  permitFile(request: string): string {
    return valueOf(formatPermitFile(this.parts(request)));
  }

  evidence(request: string): string {
    return valueOf(formatEvidence(this.parts(request)));
  }

  caseFile(request: string): string {
    return valueOf(formatCaseFile(this.parts(request)));
  }

  checkpoint(size = this.entries.length): { size: number; root: string; note: string } {
    const { edge } = slabOf(this.entries.slice(0, size));
    const head = { origin: this.signer.name, size, root: rootOf(edge) };
    return { size, root: head.root, note: signCheckpoint(head, this.signer) };
  }

  proposal(action: string, change: JsonObject, by = 'grace'): Extract<Command, { type: 'SubmitRequest' }> {
    const content = this.attach(change);
    return this.request(
      { action, facts: {}, content, audience: null, executor: null },
      { by, attested: [], attachments: [content] },
    );
  }

  activation(id: string): Command {
    return { type: 'ActivateChange', request: id, attachments: [this.stateOf(id).change.content ?? ''] };
  }

  rosterChange(set: { [key: string]: JsonObject }, possession: readonly JsonObject[] = []): JsonObject {
    const { version, root, records } = this.state.roster;
    return {
      type: 'countersign.dev/roster-change/v0',
      from: { version, root },
      to: { version: version + 1, root: rosterAfter(records, set, []) },
      set,
      remove: [],
      possession,
    };
  }

  policyChange(policy: CompiledPolicy): JsonObject {
    return {
      type: 'countersign.dev/policy-change/v0',
      from: {
        version: this.state.policyVersion,
        policy: this.state.policy === null ? null : policyDigest(this.state.policy),
      },
      policy,
    };
  }

  /** Proposes, votes and activates a change of governance. */
  govern(action: string, change: JsonObject, voters: readonly string[] = ['radia', 'margaret'], by = 'grace'): string {
    const asked = this.proposal(action, change, by);
    this.accept(asked);
    for (const voter of voters) this.accept(this.vote(asked.request, voter, { seats: ['founders'] }));
    this.accept(this.activation(asked.request));
    return asked.request;
  }

  /** A request that got its permit, with the votes of these persons. */
  permitted(
    voters: readonly string[] = ['grace'],
    over: JsonObject = {},
    options: Parameters<World['ask']>[1] = {},
  ): string {
    const id = this.ask(over, options);
    for (const voter of voters) this.accept(this.vote(id, voter));
    this.later(Math.max(0, this.stateOf(id).change.gate.time_lock?.wait_ms ?? 0));
    this.accept(this.permit(id));
    return id;
  }
}

export const valueOf = <T>(result: { ok: true; value: T } | { ok: false; refusal: { message: string } }): T => {
  if (!result.ok) assert.fail(result.refusal.message);
  return result.value;
};

export const slabOf = (texts: readonly string[]): { slab: MerkleSlab; edge: ReturnType<MerkleSlab['edge']> } => {
  const slab = new MerkleSlab();
  for (const text of texts) slab.append(leafHash(text));
  return { slab, edge: slab.edge() };
};

/** File parts out of any list of entries: what somebody with database and log key can make. */
export const partsFrom = (
  entries: readonly string[],
  indexes: readonly number[],
  blobs: ReadonlyMap<string, Uint8Array>,
  signer: NoteSigner,
  request: string,
): FileParts => {
  const { slab, edge } = slabOf(entries);
  const texts = new Map(indexes.map((index) => [index, entries[index] ?? '']));
  const named = blobsNamed(texts.values());
  return {
    request,
    entries: texts,
    blobs: new Map(named.map((digest) => [digest, blobs.get(digest) ?? new Uint8Array()])),
    checkpoint: signCheckpoint({ origin: signer.name, size: edge.size, root: rootOf(edge) }, signer),
    inclusion: (index) => inclusionProof(edge.size, index, slab.hashAt),
    consistency: (from) => consistencyProof(from, edge.size, slab.hashAt),
  };
};

export type EntryFields = { command: JsonObject; events: JsonObject[]; index: number; time: string };
export const readText = (text: string): EntryFields & JsonObject => {
  const parsed = parseCanonical(text);
  assert.ok(parsed.ok);
  return parsed.value as EntryFields & JsonObject;
};
export const writeText = (entry: JsonObject): string => canonicalize(entry);
