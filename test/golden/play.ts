// SPDX-License-Identifier: Apache-2.0
// Plays commands through the server's own sequencer, over its own store, with a clock that is set for each of them.
import { rmSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '../../src/adapters/sqlite/sqlite-store.ts';
import { attachmentsNamed } from '../../src/app/sequencer-replay.ts';
import { startSequencer } from '../../src/app/sequencer.ts';
import { formatVerifierKey, type NoteSigner } from '../../src/crypto/signed-note.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import { parseEntry } from '../../src/ledger/entry.ts';
import type { Command } from '../../src/lifecycle/command.ts';
import { lifecycle } from '../../src/lifecycle/lifecycle.ts';
import { semantics } from '../../src/lifecycle/semantics.ts';
import { stateDigest } from '../../src/lifecycle/state-digest.ts';
import { memoryMark } from '../ledger/tally.ts';
import { valueOf } from '../verify/sealed-world.ts';
import type { GoldenLedger } from './golden-ledger.ts';

export type Played = { readonly time: string; readonly command: Command & JsonObject };

/** The commands of entries and when they came. */
export const commandsOf = (entries: readonly string[]): readonly Played[] =>
  entries.map((text) => {
    const { time, command } = valueOf(parseEntry(text));
    return { time, command: command as Command & JsonObject };
  });

/** What the server makes of these commands: one after the other, each at its time. */
export const play = async (
  about: string,
  commands: readonly Played[],
  blobs: ReadonlyMap<string, Uint8Array>,
  signer: NoteSigner,
): Promise<GoldenLedger> => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-golden-'));
  const store = valueOf(openSqliteStore(folder));
  let now = 0;
  try {
    const sequencer = valueOf(
      await startSequencer({
        tenant: 'main',
        store,
        decider: lifecycle,
        origin: signer.name,
        signer,
        mark: memoryMark(),
        now: () => now,
        fatal: (error) => {
          throw error;
        },
        onAlert: ({ what }) => {
          throw new Error(what);
        },
      }),
    );
    for (const { time, command } of commands) {
      now = Date.parse(time);
      sequencer.acceptTimeJump();
      const attachments = new Map(
        attachmentsNamed(command).flatMap((digest) => {
          const bytes = blobs.get(digest);
          return bytes === undefined ? [] : [[digest, bytes] as const];
        }),
      );
      const { decision, index } = await sequencer.submit(command, { attachments });
      if (index === null && decision.kind === 'refused') throw new Error(decision.refusal.message);
    }
    const { size, root, time } = sequencer.head();
    const entries = (await store.entries('main', 0, size)).map(({ bytes }) => Buffer.from(bytes).toString('utf8'));
    const kept = new Map(
      (await store.blobs('main', '', size * 32 + 2)).map(({ digest, bytes }) => [digest, Buffer.from(bytes)]),
    );
    const expected = {
      about,
      ledger: sequencer.state().identity?.ledger ?? '',
      tenant: 'main',
      semantics,
      entries: size,
      root,
      time: time ?? '',
      state: stateDigest(sequencer.state()),
      log_key: formatVerifierKey(signer),
    };
    const checkpoint = sequencer.signedHead()?.note ?? '';
    await sequencer.close();
    return { expected, entries, blobs: kept, checkpoint };
  } finally {
    await store.close();
    rmSync(folder, { recursive: true });
  }
};
