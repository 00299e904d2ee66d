// SPDX-License-Identifier: Apache-2.0
import { digestOf } from '../crypto/digest.ts';
import { canonicalize } from '../kernel/canonical-json.ts';
import type { Attachments, Decider, Decision, FoldedEntry, Moment } from '../kernel/decider.ts';
import { addMs, type Instant } from '../kernel/instant.ts';
import {
  BrokenInvariant,
  ok,
  refuse,
  type JsonObject,
  type JsonValue,
  type Refusal,
  type Refused,
  type Result,
} from '../kernel/refusal.ts';
import { rulesFor, semanticsInForce } from '../kernel/semantics.ts';
import { isObject } from '../kernel/shape.ts';
import { isRecordable, joinEntry, parseEntry } from '../ledger/entry.ts';
import { leafHash, leafOf, rootOf } from '../ledger/merkle.ts';
import type { MerkleSlab } from '../ledger/slab.ts';
import type { KeptAnswer, LedgerHead, StoreBatch, StoredEntry } from '../ledger/store.ts';
import type { EntryClock } from './sequencer-clock.ts';
import type { Ticket } from './sequencer-intake.ts';
import { isCorrupt, replay, type Damage, type EntrySource, type Folded } from './sequencer-replay.ts';

/** What came of one command. `entry` is the canonical text of its entry, null when it left none. */
export type Outcome<Event> = {
  readonly decision: Decision<Event>;
  readonly index: number | null;
  readonly entry: string | null;
};

/** Found while a batch was running; the ledger is quarantined from then on. */
export class DamageFound extends Error {
  override readonly name = 'DamageFound';
  readonly damage: Damage;
  constructor(damage: Damage) {
    super(damage.what);
    this.damage = damage;
  }
}

/** A database that is found damaged while it is in use is no better than one that is found so at the start. */
export const damageIn = (error: unknown, size: number): Damage | undefined => {
  if (error instanceof DamageFound) return error.damage;
  return isCorrupt(error) && error.outcome === 'nothing-written' ? { index: size, what: error.message } : undefined;
};

export type BatchContext<State, Command extends JsonObject, Event extends JsonObject> = {
  readonly tenant: string;
  readonly decider: Decider<State, Command, Event>;
  readonly clock: EntryClock;
  readonly slab: MerkleSlab;
  readonly now: () => number;
  /** Note to keep in the same transaction: the checkpoint of the batch before. */
  readonly checkpoint: string | undefined;
  /** Whether kept answers that are older than a day shall go. */
  readonly prune: boolean;
};

/** A state that was folded further, and the entries that led there, whoever appended them; null when they are too many. */
export type FoldedOn<State, Command, Event> = {
  readonly after: Folded<State>;
  readonly entries: readonly FoldedEntry<Command, Event>[] | null;
};

/** What counts once the transaction of the batch is durable. */
export type BatchResult<State, Command, Event> = FoldedOn<State, Command, Event> & {
  readonly outcomes: readonly Outcome<Event>[];
};

const answersKeptMs = 24 * 3_600_000;
/** Entries of others that are handed on one by one; whoever was away for longer looks at the state instead. */
const handedOn = 4096;

export const refusedOutcome = ({ refusal }: Refused): Outcome<never> => ({
  decision: { kind: 'refused', refusal, events: [] },
  index: null,
  entry: null,
});

/**
 * One batch, under the store's lock (SPEC L6): folds what others appended, decides each command on the state the one
 * before it left, and writes all there is to write. Nothing of it counts before the store has committed.
 */
export const runBatch = async <State, Command extends JsonObject, Event extends JsonObject>(
  context: BatchContext<State, Command, Event>,
  tx: StoreBatch,
  folded: Folded<State>,
  tickets: readonly Ticket<Command>[],
): Promise<BatchResult<State, Command, Event>> => {
  const before = await tx.head();
  const caughtUp = await catchUp(context, tx, folded, before);
  // The store's clock where it has one: several processes with clocks of their own would refuse each other's time.
  const time = context.clock.next(before.time, tx.now === undefined ? context.now() : await tx.now());
  const batch = new RunningBatch(context, tx, caughtUp.after);
  const outcomes: Outcome<Event>[] = [];
  const kept = await keptFor(tx, tickets);
  for (const ticket of tickets) outcomes.push(await batch.answer(ticket, kept.get(ticket), time));
  await batch.write(before, time);
  return {
    after: batch.folded,
    entries: caughtUp.entries && [...caughtUp.entries, ...batch.entries],
    outcomes,
  };
};

// All at once: the store may be a message away. No two tickets of a batch have one key, since the first is in flight.
const keptFor = async <Command>(
  tx: StoreBatch,
  tickets: readonly Ticket<Command>[],
): Promise<ReadonlyMap<Ticket<Command>, KeptAnswer | undefined>> => {
  const keyed = tickets.flatMap((ticket) =>
    ticket.idempotency === undefined ? [] : [[ticket, ticket.idempotency] as const],
  );
  if (keyed.length === 0) return new Map();
  const answers = await tx.answers(keyed.map(([, { principal, route, key }]) => ({ principal, route, key })));
  return new Map(keyed.map(([ticket], at) => [ticket, answers[at]]));
};

/**
 * Folds what others appended, up to a head that the store has told: every entry is hashed, read, decided and compared
 * again, and the tree must come to the head's root (SPEC L17). So a process signs nothing that it has not derived itself.
 */
export const catchUp = async <State, Command extends JsonObject, Event extends JsonObject>(
  { tenant, decider, slab }: Pick<BatchContext<State, Command, Event>, 'tenant' | 'decider' | 'slab'>,
  source: EntrySource,
  folded: Folded<State>,
  head: LedgerHead,
): Promise<FoldedOn<State, Command, Event>> => {
  if (head.size < folded.size)
    throw new DamageFound({ index: head.size, what: `it was cut while it was in use, from size ${folded.size}` });
  const entries: FoldedEntry<Command, Event>[] | null = head.size - folded.size > handedOn ? null : [];
  const onEntry = (entry: FoldedEntry<Command, Event>): void => {
    slab.append(entry.leafHash);
    entries?.push(entry);
  };
  const next = await replay(tenant, decider, source, folded, head.size, onEntry, isCorrupt);
  if (next.damage !== undefined) throw new DamageFound(next.damage);
  if (rootOf(slab.edge()) !== head.root)
    throw new DamageFound({ index: folded.size, what: 'the head was changed while it was in use' });
  return { after: next.folded, entries };
};

class RunningBatch<State, Command extends JsonObject, Event extends JsonObject> {
  folded: Folded<State>;
  readonly #context: BatchContext<State, Command, Event>;
  readonly #tx: StoreBatch;
  readonly #stored: StoredEntry[] = [];
  readonly entries: FoldedEntry<Command, Event>[] = [];

  constructor(context: BatchContext<State, Command, Event>, tx: StoreBatch, folded: Folded<State>) {
    this.#context = context;
    this.#tx = tx;
    this.folded = folded;
  }

  async answer(ticket: Ticket<Command>, kept: KeptAnswer | undefined, time: Result<Instant>): Promise<Outcome<Event>> {
    const { idempotency } = ticket;
    if (kept !== undefined) {
      if (kept.bodyDigest === idempotency?.bodyDigest) return this.#recall(kept.answer);
      return refusedOutcome(refuseConflict(idempotency?.key ?? ''));
    }
    if (!time.ok) return refusedOutcome(time);
    const attachments = ticket.named.length === ticket.given.size ? ok(ticket.given) : await this.#gather(ticket);
    if (!attachments.ok) return refusedOutcome(attachments);
    const outcome = await this.#decide(ticket, { index: this.folded.size, time: time.value }, attachments.value);
    if (idempotency !== undefined) {
      const { bodyDigest, ...key } = idempotency;
      const refusal = outcome.decision.kind === 'refused' ? outcome.decision.refusal : null;
      await this.#tx.putAnswer(key, { bodyDigest, answer: { index: outcome.index, refusal }, at: time.value });
    }
    return outcome;
  }

  async write(before: LedgerHead, time: Result<Instant>): Promise<void> {
    const { slab, checkpoint, prune } = this.#context;
    if (prune && time.ok) await this.#tx.pruneAnswers(addMs(time.value, -answersKeptMs));
    if (this.#stored.length === 0) return;
    if (checkpoint !== undefined) await this.#tx.putCheckpoint(checkpoint);
    const edge = slab.edge();
    await this.#tx.insert(this.#stored, before, { size: slab.size, root: rootOf(edge), edge, time: this.folded.time });
  }

  async #decide(ticket: Ticket<Command>, moment: Moment, attachments: Attachments): Promise<Outcome<Event>> {
    const { tenant, decider, slab } = this.#context;
    const semantics = semanticsInForce(decider, this.folded.state);
    const rules = rulesFor(decider, this.folded.state, moment.index, semantics);
    if (!rules.ok) throw new BrokenInvariant(rules.refusal.message);
    const decision = rules.value.decide(this.folded.state, ticket.command, moment, attachments);
    if (decision.kind === 'refused' && decision.events.length === 0) return { decision, index: null, entry: null };
    if (!isRecordable(decision.events)) throw new BrokenInvariant('the rules gave an event that an entry cannot hold');
    const eventsText = canonicalize(decision.events);
    const text = joinEntry({ tenant, ...moment, semantics, commandText: ticket.commandText, eventsText });
    if (!text.ok) return refusedOutcome(text);
    const { bytes, hash } = leafOf(text.value);
    // Read back, so that the state evolves from what stands in the entry and from nothing else (INV12).
    const events = JSON.parse(eventsText) as readonly Event[];
    const entry = { ...moment, command: ticket.command, events, leafHash: hash };
    const state = rules.value.evolve(this.folded.state, entry, attachments);
    this.folded = { state, size: moment.index + 1, time: moment.time };
    slab.append(hash);
    this.#stored.push({ index: moment.index, bytes, leafHash: hash });
    this.entries.push(entry);
    for (const [digest, blob] of ticket.given) await this.#tx.putBlob({ digest, bytes: blob });
    for (const [commitment, opening] of ticket.openings) await this.#tx.putOpening(commitment, opening);
    return { decision: { ...decision, events }, index: moment.index, entry: text.value };
  }

  async #gather({ named, given }: Ticket<Command>): Promise<Result<Attachments>> {
    const attachments = new Map<string, Uint8Array>();
    for (const digest of named) {
      const bytes = given.get(digest) ?? (await this.#tx.blob(digest));
      if (bytes === undefined)
        return refuse(
          'attachment-missing',
          'L7',
          `attachment \`${digest.slice(0, 80)}\` was not sent and is not stored`,
          { digest: digest.slice(0, 80) },
          'send the bytes of every attachment that the command names',
        );
      if (!given.has(digest) && digestOf(bytes) !== digest)
        throw new DamageFound({ index: this.folded.size, what: `the stored attachment \`${digest}\` was changed` });
      attachments.set(digest, bytes);
    }
    return ok(attachments);
  }

  async #recall(kept: JsonValue): Promise<Outcome<Event>> {
    const answer = keptAnswer(kept);
    if (answer === undefined)
      throw new DamageFound({ index: this.folded.size, what: 'a kept answer is not what was written' });
    const { index, refusal } = answer;
    if (index === null) return refusedOutcome({ ok: false, refusal });
    if (index >= this.folded.size)
      throw new DamageFound({
        index: this.folded.size,
        what: `an answer was kept for entry ${index}, which is not there`,
      });
    const [stored] = await this.#tx.entries(index, index + 1);
    const entry = stored === undefined ? undefined : parseEntry(stored.bytes);
    if (stored === undefined || entry === undefined || !entry.ok)
      throw new DamageFound({ index, what: 'an entry that was answered for cannot be read' });
    // Read again from the store, which others can change: what is answered must be what was decided.
    if (leafHash(stored.bytes) !== this.#context.slab.hashAt(0, index))
      throw new DamageFound({ index, what: 'its bytes are not those that were appended' });
    const events = entry.value.events as readonly Event[];
    const decision: Decision<Event> =
      refusal === null ? { kind: 'accepted', events } : { kind: 'refused', refusal, events };
    return { decision, index, entry: Buffer.from(stored.bytes).toString('utf8') };
  }
}

type KeptOutcome =
  | { readonly index: number; readonly refusal: Refusal | null }
  | { readonly index: null; readonly refusal: Refusal };

// A row that was damaged must not turn into an answer that nobody gave.
const keptAnswer = (kept: JsonValue): KeptOutcome | undefined => {
  if (!isObject(kept)) return undefined;
  const { index, refusal } = kept;
  const refused = isObject(refusal) && typeof refusal['code'] === 'string' ? (refusal as unknown as Refusal) : null;
  if (refusal !== null && refused === null) return undefined;
  if (typeof index === 'number' && Number.isSafeInteger(index) && index >= 0) return { index, refusal: refused };
  return index === null && refused !== null ? { index, refusal: refused } : undefined;
};

const refuseConflict = (key: string): Refused =>
  refuse(
    'idempotency-conflict',
    'L12',
    `idempotency key \`${key.slice(0, 80)}\` was used for another body`,
    {},
    'take a new key for a new body',
  );
