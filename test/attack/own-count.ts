// SPDX-License-Identifier: Apache-2.0
// Counts persons by itself: reads the entries of a ledger as anybody could, and knows nothing of how the product decides.
import assert from 'node:assert/strict';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { keys, personOf, rosterRecords } from '../support/world.ts';

type Fields = { readonly [field: string]: unknown };
type Statement = Fields & { readonly by: string; readonly change: string; readonly request: string };
type Entry = {
  readonly index: number;
  readonly time: string;
  readonly command: Fields;
  readonly events: readonly Fields[];
};
type Seat = { readonly seat: string; readonly person: string };
type Permit = Fields & {
  readonly permit: string;
  readonly request: string;
  readonly revision: number;
  readonly change: string;
  readonly seats: readonly Seat[];
  readonly executor: { readonly key: string };
};

export type Count = { readonly permits: readonly Permit[]; readonly consumed: number; readonly ended: number };

const records = rosterRecords();
const holderOf = (fingerprint: string): string => String(records[`key/${fingerprint}`]?.['holder'] ?? 'nobody');
const membersOf = (group: string): readonly string[] =>
  (records[`group/${group}`]?.['members'] ?? []) as readonly string[];
const personBehind = (principal: string): string =>
  principal.startsWith('machine:')
    ? String(records[principal.replace(':', '/')]?.['accountable'])
    : principal.slice('person:'.length);
/** Groups of the seats, by name, as the policy of the test has them. */
const groupOfSeat: { readonly [seat: string]: string } = {
  platform: 'platform',
  security: 'security',
  commander: 'commanders',
};

const text = (value: string | Uint8Array): Buffer => {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
};

/** Whose Ed25519 key signed this envelope in this namespace (openssh PROTOCOL.sshsig), or undefined. */
const signerOf = (
  { statement, signature }: { readonly statement: string; readonly signature: string },
  namespace: string,
): string | undefined => {
  const blob = Buffer.from(signature, 'base64');
  let at = 10;
  const next = (from = blob): Buffer => {
    const length = from.readUInt32BE(at);
    at += 4 + length;
    return from.subarray(at - length, at);
  };
  const [key, named, reserved, hash, inner] = [next(), next(), next(), next(), next()];
  if (named.toString() !== namespace) return undefined;
  const digest = createHash(hash.toString()).update(statement).digest();
  const signed = Buffer.concat([Buffer.from('SSHSIG'), text(named), text(reserved), text(hash), text(digest)]);
  const x = key.subarray(-32).toString('base64url');
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  if (!verify(null, signed, publicKey, inner.subarray(-64))) return undefined;
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
};

const envelopeIn = (entry: Entry): { readonly statement: string; readonly signature: string } =>
  entry.command['envelope'] as { readonly statement: string; readonly signature: string };
const statementIn = (entry: Entry): Statement => JSON.parse(envelopeIn(entry).statement) as Statement;
const eventsOf = (entry: Entry, type: string): readonly Fields[] =>
  entry.events.filter((event) => event['type'] === type);

const ends = [
  'RequestRefused',
  'RequestWithdrawn',
  'RequestVetoed',
  'RequestExpired',
  'PermitExpired',
  'PermitVoided',
  'PermitConsumed',
];
const grants = ['GateMet', 'PermitIssued', 'PermitConsumed', 'ApprovalRecorded'];
const requestOf = (event: Fields): unknown => (event['permit'] as Permit | undefined)?.request ?? event['request'];

/** INV1: distinct persons in the seats, each with a vote of their own for these very bytes, and none with a hand in them. */
const checkSeats = (permit: Permit, before: readonly Entry[]): void => {
  const asked = before.find(
    (entry) => entry.command['type'] === 'SubmitRequest' && entry.command['request'] === permit.request,
  );
  assert.ok(asked, 'a permit that nobody asked for');
  const request = statementIn(asked);
  const asker = signerOf(envelopeIn(asked), 'countersign-request@v1');
  assert.equal(holderOf(asker ?? ''), request.by);
  const producers = [personBehind(request.by), ...(request['drivers'] as readonly string[])];
  const wanted = request['emergency'] === true ? ['commander'] : ['platform', 'security'];
  assert.deepEqual(permit.seats.map(({ seat }) => seat).sort(), wanted, 'every seat is filled, once');
  assert.equal(new Set(permit.seats.map(({ person }) => person)).size, wanted.length, 'by as many persons');
  for (const { seat, person } of permit.seats) {
    assert.ok(!producers.includes(person), `${person} had a hand in it`);
    assert.ok(membersOf(groupOfSeat[seat] ?? '').includes(person), `${person} may not fill ${seat}`);
    assert.notEqual(holderOf(permit.executor.key), `person:${person}`);
    const votes = before.filter((entry) => {
      if (entry.command['type'] !== 'CastVote' || eventsOf(entry, 'ApprovalRecorded').length === 0) return false;
      const vote = statementIn(entry);
      const key = signerOf(envelopeIn(entry), 'countersign-vote@v1');
      return (
        key !== undefined &&
        holderOf(key) === `person:${person}` &&
        vote.by === `person:${person}` &&
        vote.request === permit.request &&
        vote.change === permit.change &&
        vote['decision'] === 'approve' &&
        (vote['seats'] as readonly string[]).includes(seat)
      );
    });
    assert.equal(votes.length, 1, `${person} voted once for these bytes`);
  }
};

/** Reads a whole ledger and counts what came of it; throws where a permit rests on less than it should (INV1, INV3, INV6). */
export const countPersons = (texts: readonly string[], timeLockMs: number): Count => {
  const entries = texts.map((one) => JSON.parse(one) as Entry);
  const over = new Map<string, string>();
  const met = new Map<string, string>();
  const permits = new Map<string, Permit>();
  const used = new Set<string>();
  for (const [index, entry] of entries.entries()) {
    assert.equal(entry.index, index, 'no entry is missing');
    for (const event of entry.events) {
      const [type, request] = [String(event['type']), String(requestOf(event))];
      if (grants.includes(type) && over.has(request)) assert.fail(`INV6: ${type} after ${over.get(request) ?? ''}`);
      if (type === 'GateMet') met.set(request, entry.time);
      if (type === 'PermitIssued') {
        const permit = event['permit'] as Permit;
        const name = `${permit.request} ${permit.revision}`;
        assert.ok(!permits.has(name), 'INV3: one permit a revision');
        assert.equal(permit.permit, `pmt_${permit.change.slice('sha256:'.length).slice(0, 26)}`);
        checkSeats(permit, entries.slice(0, index));
        const wait = permit['emergency'] === true ? 0 : timeLockMs;
        assert.ok(Date.parse(entry.time) >= Date.parse(met.get(request) ?? '') + wait, 'the wait was over');
        permits.set(name, permit);
      }
      if (type === 'PermitConsumed') {
        const permit = [...permits.values()].find((one) => one.permit === event['permit']);
        assert.ok(permit, 'INV3: a use of a permit that was issued');
        assert.ok(!used.has(permit.permit), 'INV3: one use a permit');
        used.add(permit.permit);
        assert.equal(signerOf(envelopeIn(entry), 'countersign-consume@v1'), permit.executor.key);
        assert.equal(statementIn(entry).change, permit.change, 'what is used is what was signed');
      }
      if (ends.includes(type)) over.set(request, type);
    }
  }
  return { permits: [...permits.values()], consumed: used.size, ended: over.size };
};

/** Everybody who has a key here, for whoever plays them at random. */
export const everybody: readonly string[] = Object.keys(keys).filter(
  (name) => name !== 'stranger' && personOf(name) !== '',
);
