// SPDX-License-Identifier: Apache-2.0
import { decodeBase64 } from '../kernel/base64.ts';
import { parseCanonical } from '../kernel/canonical-json.ts';
import type { Attachments, Moment } from '../kernel/decider.ts';
import { ok, refuse, type JsonObject, type Refused, type Result } from '../kernel/refusal.ts';
import { voteStatement } from '../kernel/statements.ts';
import { digestOf } from '../crypto/digest.ts';
import { noteVerifier, type NoteVerifier } from '../crypto/signed-note.ts';
import { parseEntry } from '../ledger/entry.ts';
import { emptyEdge, leafHash } from '../ledger/merkle.ts';
import { isGovernance } from '../assess/build-change.ts';
import { readStatement } from '../roster/authenticate.ts';
import { parseCommand, type Command } from '../lifecycle/command.ts';
import { decide } from '../lifecycle/decide.ts';
import type { LifecycleEvent } from '../lifecycle/event.ts';
import { evolve } from '../lifecycle/evolve.ts';
import { genesisStatement } from '../lifecycle/genesis.ts';
import { initialState, type Identity, type State } from '../lifecycle/state.ts';

/**
 * Part of a ledger, played through the same `decide` and `evolve` as on the server. Whoever holds database and log
 * key can write any entry; so nothing that an entry says happened is believed. Each event is derived again from the
 * signed statements, and what does not follow from them refuses the file (INV11, SPEC Y3).
 */
export type Replay = {
  readonly state: State;
  readonly identity: Identity;
  /** The key that signs this ledger's checkpoints, out of the pinned genesis. */
  readonly log: NoteVerifier;
  readonly last: Moment;
  /** Leaf hashes of genesis, roster and policy entries, in order. */
  readonly governance: readonly string[];
  /** Checkpoints that votes name as the newest their voter had seen. */
  readonly seen: readonly Seen[];
  /** The entries that were played, the last one first. */
  readonly trail: Trail;
  /** Index of the entry that met the gate of the file's request, the last that did; null before. */
  readonly metIndex: number | null;
};
export type Trail = { readonly index: number; readonly leaf: string; readonly before: Trail | null };
export type Seen = { readonly index: number; readonly size: number; readonly root: string };

export type ReadEntry = Moment & {
  readonly tenant: string;
  readonly leaf: string;
  readonly command: Command;
  readonly recorded: readonly JsonObject[];
};

export const malformed = (message: string, facts: JsonObject = {}): Refused =>
  refuse('file-malformed', 'Y1', message, facts, 'fetch the file again; if it stays so, do not trust who made it');

export const readEntry = (text: string): Result<ReadEntry> => {
  const entry = parseEntry(text);
  if (!entry.ok) return entry;
  const command = parseCommand(entry.value.command);
  if (!command.ok) return command;
  const { index, time, tenant, events } = entry.value;
  return ok({ index, time, tenant, leaf: leafHash(text), command: command.value, recorded: events });
};

/** Documents of a file, each of them the one it is named by. */
export const readBlobs = (blobs: { readonly [digest: string]: string }): Result<Attachments> => {
  const read = new Map<string, Uint8Array>();
  for (const [digest, base64] of Object.entries(blobs)) {
    const bytes = decodeBase64(base64);
    if (!bytes.ok) return bytes;
    if (digestOf(bytes.value) !== digest)
      return refuse('attachment-mismatch', 'Y1', `document \`${digest}\` of the file has another digest`, { digest });
    read.set(digest, bytes.value);
  }
  return ok(read);
};

/** Begins with a genesis, and only with the one that was pinned (SPEC Y2). */
export const beginReplay = (one: ReadEntry, pin: string, blobs: Attachments): Result<Replay> => {
  const { command } = one;
  if (command.type !== 'Genesis' || one.index !== 0)
    return malformed('the first entry of the file is not the genesis of a ledger');
  const ledger = digestOf(command.statement);
  if (ledger !== pin)
    return refuse(
      'pin-mismatch',
      'Y2',
      `the file is of ledger \`${ledger}\`, not of \`${pin.slice(0, 80)}\``,
      { ledger, pin: pin.slice(0, 80) },
      'compare the pin with the people who founded the ledger; never take it from the server',
    );
  const log = logOf(command.statement);
  if (!log.ok) return log;
  const stepped = step(initialState, one, blobs);
  if (!stepped.ok) return stepped;
  const { identity } = stepped.value;
  if (identity === null || identity.tenant !== one.tenant)
    return malformed('the genesis entry is not of the tenant that the genesis names');
  const verifier = noteVerifier(identity.origin, log.value);
  if (!verifier.ok) return verifier;
  return ok({
    state: stepped.value,
    identity,
    log: verifier.value,
    last: { index: one.index, time: one.time },
    governance: [one.leaf],
    seen: [],
    trail: { index: one.index, leaf: one.leaf, before: null },
    metIndex: null,
  });
};

const logOf = (statement: string): Result<Uint8Array> => {
  const parsed = parseCanonical(statement, { maxBytes: 49152 });
  if (!parsed.ok) return parsed;
  const checked = genesisStatement(parsed.value, '');
  return checked.ok ? decodeBase64(checked.value.log_key) : checked;
};

/** Plays one more entry: about `ours`, or about a change of governance; nothing else belongs into a file. */
export const replayEntry = (replay: Replay, one: ReadEntry, blobs: Attachments, ours: string): Result<Replay> => {
  const { last, identity } = replay;
  if (one.index <= last.index || one.time < last.time || one.tenant !== identity.tenant)
    return malformed(
      `entry ${one.index} stands after entry ${last.index} of \`${identity.tenant}\` and does not follow it`,
      {
        index: one.index,
        time: one.time,
      },
    );
  const foreign = refuseForeign(one, ours);
  if (foreign !== undefined) return foreign;
  const seen = seenBy(one, replay.seen);
  if (!seen.ok) return at(one, seen);
  // The part of the history that the file leaves out cannot be folded; of its roots only the one this vote names is known.
  const roots =
    seen.value === null ? initialState.roots : initialState.roots.set(String(seen.value.size), seen.value.root);
  const stepped = step({ ...replay.state, edge: emptyEdge, roots }, one, blobs);
  if (!stepped.ok) return stepped;
  const state = stepped.value;
  return ok({
    ...replay,
    state,
    last: { index: one.index, time: one.time },
    governance: state.governance === replay.state.governance ? replay.governance : [...replay.governance, one.leaf],
    seen: seen.value === null ? replay.seen : [...replay.seen, seen.value],
    trail: { index: one.index, leaf: one.leaf, before: replay.trail },
    metIndex: meets(one, ours) ? one.index : replay.metIndex,
  });
};

// What is recorded about this request was derived again by now, and came out the same.
const meets = ({ recorded }: ReadEntry, ours: string): boolean =>
  recorded.some((event) => event['type'] === 'GateMet' && event['request'] === ours);

// A file about one request cannot be padded with others, whose events might be taken for its own.
const refuseForeign = ({ command, index }: ReadEntry, ours: string): Refused | undefined => {
  if (command.type !== 'SubmitRequest' || command.request === ours) return undefined;
  const parsed = parseCanonical(command.envelope.statement, { maxBytes: 49152 });
  const action = parsed.ok ? (parsed.value as JsonObject | null)?.['action'] : undefined;
  return typeof action === 'string' && isGovernance(action)
    ? undefined
    : malformed(`entry ${index} is about another request`, { index, request: command.request });
};

// SPEC V7: what a voter saw lies before the vote, and two voters cannot have seen two ledgers of one size (T5).
const seenBy = ({ command, index }: ReadEntry, before: readonly Seen[]): Result<Seen | null> => {
  if (command.type !== 'CastVote') return ok(null);
  const statement = readStatement(command.envelope.statement, voteStatement);
  if (!statement.ok) return statement;
  const { size, root } = statement.value.seen;
  const other = before.find((one) => one.size === size && one.root !== root);
  if (size < 1 || size > index || other !== undefined)
    return refuse(
      'seen-not-in-history',
      'V7',
      `the checkpoint of size ${size} that the vote names cannot lie in this ledger's past`,
      { size, root },
      'two histories are being shown: compare checkpoints with other people',
    );
  return ok({ index, size, root });
};

const step = (state: State, one: ReadEntry, blobs: Attachments): Result<State> => {
  const attachments = new Map<string, Uint8Array>();
  for (const digest of one.command.attachments) {
    const bytes = blobs.get(digest);
    if (bytes === undefined) return at(one, notInFile(digest));
    attachments.set(digest, bytes);
  }
  const about = subjects(state, one);
  const recorded = eventsAbout(about, one.recorded as unknown as readonly LifecycleEvent[]);
  if (recorded.length === 0)
    return malformed(`entry ${one.index} says nothing about this permit`, { index: one.index });
  let refused: Refused | undefined;
  for (const debt of [false, true]) {
    const before = debt ? withDebt(state) : state;
    // A command object is remembered with its change document; another state needs another object.
    const command = { ...one.command };
    const decision = decide(before, command, { index: one.index, time: one.time }, attachments);
    const events = eventsAbout(about, decision.events);
    if (sameJson(events, recorded)) {
      const { index, time, leaf } = one;
      const after = evolve(before, { index, time, command, events, leafHash: leaf }, attachments);
      return ok({ ...after, debts: after.debts.delete(unknownDebt) });
    }
    if (decision.kind === 'refused') refused ??= { ok: false, refusal: decision.refusal };
  }
  return at(one, refused ?? differs());
};

/** Whether two values have one canonical text. Undefined members, which no such text has, differ from everything. */
const sameJson = (a: unknown, b: unknown): boolean => {
  if (a === b) return a !== undefined;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  const [left, right] = [a as { [key: string]: unknown }, b as { [key: string]: unknown }];
  return keys.every((key) => Object.hasOwn(right, key) && sameJson(left[key], right[key]));
};

const notInFile = (digest: string): Refused =>
  refuse('attachment-missing', 'Y1', `document \`${digest}\` is not in the file`, { digest }, 'fetch the file again');

const differs = (): Refused =>
  refuse(
    'replay-differs',
    'Y3',
    'what the entry says happened does not follow from what was signed',
    {},
    'do not act on it; whoever keeps the ledger has written something that nobody signed',
  );

/** Says which entry it was. */
const at = ({ index, command }: ReadEntry, { refusal }: Refused): Refused => ({
  ok: false,
  refusal: {
    ...refusal,
    message: `entry ${index} (${command.type}): ${refusal.message}`,
    facts: { ...refusal.facts, entry: index },
  },
});

/** Requests that an entry tells of and that the file knows. */
const subjects = (state: State, { command, recorded }: ReadEntry): ReadonlySet<string> => {
  const about = new Set<string>();
  for (const event of recorded as unknown as readonly LifecycleEvent[]) {
    const id = requestNamedBy(event);
    if (id !== null && (state.requests.has(id) || (command.type === 'SubmitRequest' && id === command.request)))
      about.add(id);
  }
  return about;
};

// Recorded events come from the file: their fields may be anything.
const requestNamedBy = (event: LifecycleEvent): string | null => {
  const fields = event as unknown as JsonObject;
  const inner =
    event.type === 'PermitIssued' ? fields['permit'] : event.type === 'ReviewOpened' ? fields['debt'] : fields;
  const id = (inner as JsonObject | null | undefined)?.['request'];
  return typeof id === 'string' ? id : null;
};

// How often somebody was refused depends on entries the file need not hold, and nothing rests on it.
const eventsAbout = (about: ReadonlySet<string>, events: readonly LifecycleEvent[]): readonly LifecycleEvent[] =>
  events.filter((event) => {
    if (event.type === 'GenesisAccepted') return true;
    if (event.type === 'CommandRefused' || event.type === 'RefusalsSummarised') return false;
    const id = requestNamedBy(event);
    return id !== null && about.has(id);
  });

// Whether an emergency's review was owed then is not in the file. It only ever raises the next emergency's gate, and the
// digest that people signed says which it was; so both are tried.
const unknownDebt = 'unknown';
const withDebt = (state: State): State => ({
  ...state,
  debts: state.debts.set(unknownDebt, {
    request: unknownDebt,
    emergency: true,
    reviewers: 'group:unknown',
    opened_at: '1970-01-01T00:00:00.000Z' as Moment['time'],
    due_at: '1970-01-01T00:00:00.000Z' as Moment['time'],
    overdue: true,
  }),
});
