// SPDX-License-Identifier: Apache-2.0
import { canonicalize } from '../kernel/canonical-json.ts';
import { encodeBase64 } from '../kernel/base64.ts';
import { ok, refuse, type JsonObject, type JsonValue, type Refused, type Result } from '../kernel/refusal.ts';
import { voteStatement } from '../kernel/statements.ts';
import { isObject } from '../kernel/shape.ts';
import type { Entry } from '../ledger/entry.ts';
import { formatTlogProof } from '../ledger/tlog-proof.ts';
import { isGovernance } from '../assess/build-change.ts';
import type { State } from '../lifecycle/state.ts';
import { readStatement } from '../roster/authenticate.ts';
import { pickWitnessed, type Lock, type WitnessedParts } from './collect-witnessed.ts';

/**
 * What goes into permit files, evidence and cases. First ask which entries a file needs, fetch their texts, ask which
 * documents those name, fetch them, then let it be written:
 *
 *     const indexes = entriesFor(state, request);
 *     const entries = new Map(indexes.map((index) => [index, textOf(index)]));
 *     const blobs = new Map(blobsNamed(entries.values()).map((digest) => [digest, bytesOf(digest)]));
 *     formatPermitFile({ request, entries, blobs, checkpoint, inclusion, consistency });
 */
export type FileParts = {
  readonly request: string;
  /** Texts by index: all of `entriesFor`. */
  readonly entries: ReadonlyMap<number, string>;
  /** Documents by digest, as bytes or as base64 already. */
  readonly blobs: ReadonlyMap<string, Uint8Array | string>;
  /** Signed note that all proofs lead to. */
  readonly checkpoint: string;
  /** RFC 6962 proof of the entry at this index under that checkpoint, hex. */
  readonly inclusion: (index: number) => readonly string[];
  /** RFC 6962 proof that the checkpoint goes on from this size, hex. */
  readonly consistency: (fromSize: number) => readonly string[];
  /** What witnesses cosigned, where some did. */
  readonly witnessed?: WitnessedParts | undefined;
};

// Which entries governance consists of changes only when governance changes; looking for them again costs a walk over
// all requests.
const governed = new WeakMap<readonly number[], readonly number[]>();

const governanceEntriesOf = ({ governanceEntries, requests }: State): readonly number[] => {
  const known = governed.get(governanceEntries);
  if (known !== undefined) return known;
  const activations = new Set(governanceEntries);
  const found = new Set(governanceEntries);
  if (governanceEntries.length > 1)
    for (const { change, entries } of requests.values())
      if (isGovernance(change.action) && entries.some((index) => activations.has(index)))
        for (const index of entries) found.add(index);
  const indexes = [...found].sort((a, b) => a - b);
  governed.set(governanceEntries, indexes);
  return indexes;
};

/** Indexes of the entries that a file about this request is made of, ascending. */
export const entriesFor = (state: State, request: string): readonly number[] =>
  [...new Set([...governanceEntriesOf(state), ...(state.requests.get(request)?.entries ?? [])])].sort((a, b) => a - b);

/** Digests of the documents that entries name. */
export const blobsNamed = (texts: Iterable<string>): readonly string[] => {
  const named = new Set<string>();
  for (const text of texts) {
    // Most entries name none; reading them all again for every permit would cost more than the permit.
    if (!text.includes('"attachments":["sha256:')) continue;
    const { attachments } = contentsOf(text).command;
    if (Array.isArray(attachments)) for (const digest of attachments as readonly string[]) named.add(digest);
  }
  return [...named];
};

/** Where the lock of a request counts from, if its permit had to wait, and where the permit stands; what is not there yet is left out. */
export const endsOf = (
  entries: FileParts['entries'],
  request: string,
): { readonly met?: number | undefined; readonly permit?: number } => {
  const [permit] = [...entries].find(([, text]) => issues(text, request)) ?? [];
  if (permit === undefined) return {};
  const lock = lockBefore(permit, entries, request);
  return { met: lock?.waits === true ? lock.index : undefined, permit };
};

/** FORMATS §6.1. Leaves out what came after the permit. */
export const formatPermitFile = (parts: FileParts): Result<string> => {
  const file = permitPart(parts);
  return file.ok ? ok(canonicalize(file.value.file)) : file;
};

/** FORMATS §6.2. */
export const formatEvidence = (parts: FileParts): Result<string> => {
  const file = permitPart(parts);
  if (!file.ok) return file;
  const after = [...parts.entries].filter(([index]) => index > file.value.index).sort(([a], [b]) => a - b);
  const lastOurs = after.findLastIndex(([, text]) => tellsOf(text, parts.request));
  const later = after.slice(0, lastOurs + 1);
  return ok(
    canonicalize({
      type: 'countersign.dev/evidence/v0',
      permit: file.value.file,
      later: later.map(([index, entry]) => ({ entry, proof: proofOf(parts, index) })),
      blobs: pickBlobs(
        parts,
        later.map(([, text]) => text),
      ),
    }),
  );
};

/** FORMATS §6.3. */
export const formatCaseFile = (parts: FileParts): Result<string> => {
  const sorted = [...parts.entries].sort(([a], [b]) => a - b);
  const texts = sorted.map(([, text]) => text);
  return ok(
    canonicalize({
      type: 'countersign.dev/case/v0',
      request: parts.request,
      checkpoint: parts.checkpoint,
      entries: texts,
      proofs: sorted.map(([index]) => parts.inclusion(index)),
      blobs: pickBlobs(parts, texts),
    }),
  );
};

const permitPart = (parts: FileParts): Result<{ readonly index: number; readonly file: JsonObject }> => {
  const issued = [...parts.entries].find(([, text]) => issues(text, parts.request));
  if (issued === undefined) return unknown(parts.request);
  const [index, entry] = issued;
  const before = [...parts.entries].filter(([at]) => at < index).sort(([a], [b]) => a - b);
  const texts = before.map(([, text]) => text);
  const seen = new Set(texts.map((text) => seenSize(text, parts.request)).filter((size) => size !== undefined));
  const lock = lockBefore(index, parts.entries, parts.request);
  const witnessed = parts.witnessed && pickWitnessed(parts, parts.witnessed, index, before, lock);
  return ok({
    index,
    file: {
      ...(witnessed === undefined ? {} : { witnessed }),
      type: 'countersign.dev/permit-file/v0',
      entry,
      proof: proofOf(parts, index),
      entries: texts,
      seen: [...seen].sort((a, b) => a - b).map((size) => ({ size, hashes: parts.consistency(size) })),
      blobs: pickBlobs(parts, [...texts, entry]),
    },
  });
};

const unknown = (request: string): Refused =>
  refuse(
    'permit-unknown',
    'X1',
    `request \`${request}\` has no permit`,
    { request },
    'ask for the permit once the gate is met and the lock is over',
  );

const proofOf = ({ checkpoint, inclusion }: FileParts, index: number): string =>
  formatTlogProof({ index, proof: inclusion(index), checkpoint });

const pickBlobs = ({ blobs }: FileParts, texts: readonly string[]): { readonly [digest: string]: string } => {
  const picked: { [digest: string]: string } = {};
  for (const digest of blobsNamed(texts)) {
    const bytes = blobs.get(digest);
    if (bytes !== undefined) picked[digest] = typeof bytes === 'string' ? bytes : encodeBase64(bytes);
  }
  return picked;
};

// Entries of one's own ledger, which were read strictly before they came into it; whoever gets the file does so again.
const contentsOf = (text: string): Pick<Entry, 'command' | 'events'> => {
  try {
    const entry = JSON.parse(text) as Partial<Entry> | null;
    if (isObject(entry?.command) && Array.isArray(entry.events))
      return { command: entry.command, events: entry.events };
  } catch {
    // A text that is no entry has neither.
  }
  return { command: {}, events: [] };
};

const eventsOf = (text: string): readonly JsonObject[] => contentsOf(text).events;

const field = (value: JsonValue | undefined, name: string): JsonValue | undefined =>
  (value as JsonObject | null | undefined)?.[name];

const issues = (text: string, request: string): boolean =>
  text.includes('"PermitIssued"') &&
  eventsOf(text).some((event) => event['type'] === 'PermitIssued' && field(event['permit'], 'request') === request);

const tellsOf = (text: string, request: string): boolean =>
  eventsOf(text).some(
    (event) =>
      event['request'] === request ||
      field(event['permit'], 'request') === request ||
      field(event['debt'], 'request') === request,
  );

// The entry that met the gate, and whether a lock counts from there.
const lockFrom = (index: number, text: string, request: string): Lock | undefined => {
  if (!text.includes('"GateMet"')) return undefined;
  const own = eventsOf(text).filter((event) => event['request'] === request);
  if (!own.some((event) => event['type'] === 'GateMet')) return undefined;
  const until = own.find((event) => event['type'] === 'TimelockStarted')?.['until'];
  return { index, waits: until !== undefined && !text.endsWith(`"time":${JSON.stringify(until)}}`) };
};

const lockBefore = (permit: number, entries: FileParts['entries'], request: string): Lock | undefined =>
  [...entries]
    .filter(([at]) => at < permit)
    .sort(([a], [b]) => a - b)
    .map(([at, text]) => lockFrom(at, text, request))
    .findLast((one) => one !== undefined);

const seenSize = (text: string, request: string): number | undefined => {
  if (!text.includes('"ApprovalRecorded"')) return undefined;
  const { command, events } = contentsOf(text);
  if (command['type'] !== 'CastVote') return undefined;
  const signed = field(command['envelope'], 'statement');
  const statement = typeof signed === 'string' ? readStatement(signed, voteStatement) : undefined;
  return statement?.ok === true &&
    statement.value.request === request &&
    events.some((event) => event['type'] === 'ApprovalRecorded')
    ? statement.value.seen.size
    : undefined;
};
