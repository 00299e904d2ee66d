// SPDX-License-Identifier: Apache-2.0
// A decider small enough to know every answer by heart, and the rest that a sequencer needs.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { noteSigner, noteVerifier, type NoteVerifier } from '../../src/crypto/signed-note.ts';
import type { Decider } from '../../src/kernel/decider.ts';
import { BrokenInvariant, ok, refuse, type JsonObject, type Result } from '../../src/kernel/refusal.ts';
import type { LedgerStore } from '../../src/ledger/store.ts';
import type { Mark, MarkKeeper } from '../../src/app/mark.ts';
import { startSequencer, type Sequencer, type SequencerOptions } from '../../src/app/sequencer.ts';

export type TallyState = {
  readonly total: number;
  readonly entries: number;
  readonly bytes: number;
  readonly order: readonly number[];
};
export type TallyCommand = JsonObject & {
  readonly type: 'Add' | 'Deny' | 'DenyOnRecord' | 'Break' | 'Bloat' | 'Weigh';
  readonly amount?: number;
};
export type TallyEvent = JsonObject & { readonly type: string };

const denied = refuse('request-over', 'Q9', 'the tally says no', {}, 'ask for something else').refusal;

export const tally: Decider<TallyState, TallyCommand, TallyEvent> = {
  initialState: { total: 0, entries: 0, bytes: 0, order: [] },
  decide: (state, command, { index }, attachments) => {
    switch (command.type) {
      case 'Add':
        return { kind: 'accepted', events: [{ type: 'Added', total: state.total + (command.amount ?? 0), index }] };
      case 'Weigh':
        return {
          kind: 'accepted',
          events: [{ type: 'Weighed', bytes: [...attachments.values()].reduce((sum, { length }) => sum + length, 0) }],
        };
      case 'Deny':
        return { kind: 'refused', refusal: denied, events: [] };
      case 'DenyOnRecord':
        return { kind: 'refused', refusal: denied, events: [{ type: 'CommandRefused', code: denied.code }] };
      case 'Bloat':
        return { kind: 'accepted', events: [{ type: 'Bloated', text: 'x'.repeat(command.amount ?? 0) }] };
      default:
        throw new BrokenInvariant('the tally broke');
    }
  },
  evolve: (state, { command, events }) => ({
    total: state.total + (command.type === 'Add' ? (command.amount ?? 0) : 0),
    entries: state.entries + 1,
    bytes:
      state.bytes + events.reduce((sum, event) => sum + (typeof event['bytes'] === 'number' ? event['bytes'] : 0), 0),
    order: [...state.order.slice(-999), command.amount ?? 0],
  }),
};

export const add = (amount: number): TallyCommand => ({ type: 'Add', amount });

export const signer = noteSigner('log.example/tally', Buffer.alloc(32, 7));
const verifier = noteVerifier(signer.name, signer.publicKey);
if (!verifier.ok) throw new Error(verifier.refusal.message);
export const logKey: NoteVerifier = verifier.value;

export const memoryMark = (): MarkKeeper & { kept: Mark | undefined } => {
  const keeper = {
    kept: undefined as Mark | undefined,
    read: (): Result<Mark | undefined> => ok(keeper.kept),
    write: async (mark: Mark): Promise<void> => void (keeper.kept = mark),
  };
  return keeper;
};

export type Started = {
  readonly sequencer: Sequencer<TallyState, TallyCommand, TallyEvent>;
  readonly fatal: unknown[];
  readonly alerts: { readonly index: number; readonly what: string }[];
};

export const startTally = async (
  store: LedgerStore,
  mark: MarkKeeper,
  more: Partial<SequencerOptions<TallyState, TallyCommand, TallyEvent>> = {},
): Promise<Started> => {
  const fatal: unknown[] = [];
  const alerts: { index: number; what: string }[] = [];
  const started = await startSequencer({
    tenant: 'main',
    store,
    decider: tally,
    origin: signer.name,
    mark,
    signer,
    now: () => Date.now(),
    fatal: (error) => fatal.push(error),
    onAlert: (quarantine) => alerts.push(quarantine),
    ...more,
  });
  if (!started.ok) throw new Error(started.refusal.message);
  return { sequencer: started.value, fatal, alerts };
};

/** A folder that is gone when the test ends. */
export const temporaryFolder = (t: { after: (work: () => void) => void }): string => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};
