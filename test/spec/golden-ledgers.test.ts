// SPDX-License-Identifier: Apache-2.0
// INV12, L24: what a release decided stays decided. Whole ledgers of every release, replayed byte for byte.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import { refusalCodes } from '../../src/kernel/refusal-codes.ts';
import { rulesFor } from '../../src/kernel/semantics.ts';
import { parseVerifierKey } from '../../src/crypto/signed-note.ts';
import { verifyCheckpoint } from '../../src/ledger/checkpoint.ts';
import { joinEntry, parseEntry } from '../../src/ledger/entry.ts';
import { leafHash, rootOf } from '../../src/ledger/merkle.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import type { Command } from '../../src/lifecycle/command.ts';
import type { LifecycleEvent } from '../../src/lifecycle/event.ts';
import { lifecycle } from '../../src/lifecycle/lifecycle.ts';
import { semantics } from '../../src/lifecycle/semantics.ts';
import { stateDigest } from '../../src/lifecycle/state-digest.ts';
import type { State } from '../../src/lifecycle/state.ts';
import { ledgersFolder, readGolden, type GoldenLedger } from '../golden/golden-ledger.ts';
import { commandsOf, play } from '../golden/play.ts';
import { notRecorded } from '../golden/not-recorded.ts';
import { signerFor, valueOf } from '../verify/sealed-world.ts';

const sums = new Map(
  readFileSync(join(ledgersFolder, 'SHA256SUMS'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => [line.slice(66), line.slice(0, 64)] as const),
);
const releases = readdirSync(ledgersFolder).filter((name) => /^\d+\.\d+\.\d+$/.test(name));
const all: readonly { readonly path: string; readonly golden: GoldenLedger }[] = releases.flatMap((release) =>
  readdirSync(join(ledgersFolder, release)).map((name) => ({
    path: `${release}/${name}`,
    golden: readGolden(join(ledgersFolder, release, name)),
  })),
);

/** Commands in, entries out: folds through the pure core alone, and gives what it would have written. */
const fold = ({ entries, blobs }: GoldenLedger): { readonly state: State; readonly texts: readonly string[] } => {
  let state = lifecycle.initialState;
  const texts = entries.map((text) => {
    const { tenant, index, time, semantics, ...entry } = valueOf(parseEntry(text));
    const command = entry.command as Command & JsonObject;
    const attachments = new Map(command.attachments.map((digest) => [digest, blobs.get(digest) ?? new Uint8Array()]));
    const rules = valueOf(rulesFor(lifecycle, state, index, semantics));
    const { events } = rules.decide(state, command, { index, time }, attachments);
    const [commandText, eventsText] = [canonicalize(command), canonicalize(events)];
    const written = valueOf(joinEntry({ tenant, index, time, semantics, commandText, eventsText }));
    state = rules.evolve(state, { index, time, command, events, leafHash: leafHash(written) }, attachments);
    return written;
  });
  return { state, texts };
};

test('the ledgers of every release are the files they were', () => {
  const found = readdirSync(ledgersFolder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== 'SHA256SUMS')
    .map((entry) => join(entry.parentPath, entry.name).slice(ledgersFolder.length + 1));
  assert.deepEqual(found.sort(), [...sums.keys()].sort(), 'no file is added to a release or taken from it');
  for (const [file, sum] of sums) {
    const now = createHash('sha256')
      .update(readFileSync(join(ledgersFolder, file)))
      .digest('hex');
    assert.equal(now, sum, `${file} was changed; a released ledger is never written anew`);
  }
});

for (const { path, golden } of all) {
  const { expected } = golden;
  test(`INV12, L24: ${path}: the same commands give the same entries, state and root`, () => {
    const { state, texts } = fold(golden);
    assert.equal(texts.length, expected.entries);
    for (const [index, text] of texts.entries()) assert.equal(text, golden.entries[index], `entry ${index}`);
    assert.equal(rootOf(state.edge), expected.root);
    assert.equal(stateDigest(state), expected.state);
    const key = valueOf(parseVerifierKey(expected.log_key));
    const checkpoint = valueOf(verifyCheckpoint(golden.checkpoint, key, key.name));
    assert.deepEqual([checkpoint.size, checkpoint.root], [expected.entries, expected.root]);
  });
}

test('INV12: the server, given the commands of a ledger, writes that very ledger', async () => {
  for (const { path, golden } of all) {
    // What begins today begins by today's rules.
    if (golden.expected.semantics !== semantics) continue;
    const trial = golden.expected.log_key.startsWith('countersign-trial/');
    const again = await play(golden.expected.about, commandsOf(golden.entries), golden.blobs, signerFor(trial));
    assert.deepEqual(again, golden, path);
  }
});

test('a fold that differs in one word is found', () => {
  const [{ golden } = assert.fail('there are no ledgers')] = all;
  const at = golden.entries.findIndex((text) => text.includes('"ApprovalRecorded"'));
  const entries = golden.entries.map((text, index) =>
    index === at ? text.replace('"level":"own-key"', '"level":"present"') : text,
  );
  const { texts } = fold({ ...golden, entries });
  assert.equal(
    texts.findIndex((text, index) => text !== entries[index]),
    at,
  );
});

// What is covered, and what is not: from the newest release, since the code tells only of that.
const newest = all.filter(({ path }) => path.startsWith(`${releases.at(-1)}/`));
const events = newest.flatMap(({ golden }) =>
  golden.entries.flatMap((text) => valueOf(parseEntry(text)).events as unknown as readonly LifecycleEvent[]),
);
const commandTypes: { readonly [type in Command['type']]: true } = {
  Genesis: true,
  SubmitRequest: true,
  CastVote: true,
  StopRequest: true,
  IssuePermit: true,
  ConsumePermit: true,
  RecordResult: true,
  CloseReview: true,
  ActivateChange: true,
  Tick: true,
  SummariseRefusals: true,
};
const eventTypes: { readonly [type in LifecycleEvent['type']]: true } = {
  GenesisAccepted: true,
  RequestSubmitted: true,
  RequestRevised: true,
  ApprovalRecorded: true,
  RejectionRecorded: true,
  GateMet: true,
  TimelockStarted: true,
  GateLost: true,
  RequestRefused: true,
  RequestWithdrawn: true,
  RequestVetoed: true,
  RequestExpired: true,
  PermitIssued: true,
  PermitConsumed: true,
  PermitExpired: true,
  PermitVoided: true,
  ResultRecorded: true,
  BreakGlassInvoked: true,
  BreakGlassEnded: true,
  ReviewOpened: true,
  ReviewClosed: true,
  ReviewOverdue: true,
  RosterChanged: true,
  PolicyActivated: true,
  FindingRaised: true,
  CommandRefused: true,
  RefusalsSummarised: true,
};

test('the ledgers of this release hold every command and every event that there is', () => {
  const commands = newest.flatMap(({ golden }) => commandsOf(golden.entries).map(({ command }) => command.type));
  assert.deepEqual([...new Set(commands)].sort(), Object.keys(commandTypes).sort());
  assert.deepEqual([...new Set(events.map(({ type }) => type))].sort(), Object.keys(eventTypes).sort());
});

test('each refusal code stands in a ledger of this release, or here with the reason why it does not', () => {
  const recorded = new Set(
    events.flatMap((event): readonly string[] =>
      event.type === 'CommandRefused' || event.type === 'PermitVoided' || event.type === 'RequestRefused'
        ? [event.code]
        : [],
    ),
  );
  const reasons = new Map(
    Object.entries(notRecorded).flatMap(([why, codes]) => codes.map((code) => [code, why] as const)),
  );
  assert.deepEqual(
    refusalCodes.filter((code) => !recorded.has(code) && !reasons.has(code)),
    [],
    'not in any ledger, and nobody says why',
  );
  assert.deepEqual(
    [...reasons.keys()].filter((code) => recorded.has(code)),
    [],
    'said to be in no ledger, and is in one',
  );
});
