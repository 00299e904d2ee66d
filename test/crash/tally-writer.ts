// SPDX-License-Identifier: Apache-2.0
// A process to be killed: it keeps a tally on the real store, with many appends in flight, and writes down each answer
// only after it came. node tally-writer.ts PLACE ROUND
import { writeSync } from 'node:fs';
import { digestOf } from '../../src/crypto/digest.ts';
import { add, startTally, type TallyCommand } from '../ledger/tally.ts';
import { markIn, openPlace, parsePlace } from './tally-place.ts';

const [given = '', round = ''] = process.argv.slice(2);
// At once and whole; whoever reads may be busy while the pipe fills.
const say = (line: string): void => {
  for (let rest = Buffer.from(`${line}\n`); rest.length > 0; )
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
};
const inFlight = 200;

const place = parsePlace(given);
const store = await openPlace(place);
if (!store.ok) {
  say(`refused ${store.refusal.code}`);
  process.exit(3);
}
const { sequencer, alerts } = await startTally(store.value, markIn(place), {
  fatal: (error) => {
    say(`fatal ${error instanceof Error ? error.message : String(error)}`);
    process.exit(6);
  },
});
for (const { index, what } of alerts) say(`quarantine ${index} ${what}`);
say(`started ${sequencer.head().size}`);

await sequencer.follow(
  { name: 'sums', from: 0, onError: (_, error) => say(`follower ${String(error)}`) },
  async (entries) =>
    entries.map(({ index, leafHash }) => ({ view: 'leaves', key: String(index).padStart(9, '0'), value: leafHash })),
);

let number = 0;
const work = async (): Promise<void> => {
  for (;;) {
    number += 1;
    const key = `${round}-${number}`;
    const padding = 'x'.repeat(number % 700);
    const blob = Buffer.from(`${key} ${'y'.repeat(number % 3000)}`);
    const withBlob = number % 9 === 0;
    const command: TallyCommand = withBlob
      ? { type: 'Weigh', key, attachments: [digestOf(blob)] }
      : { ...add(number), key, padding };
    const { decision, index } = await sequencer.submit(command, {
      attachments: new Map<string, Uint8Array>(withBlob ? [[digestOf(blob), blob]] : []),
      idempotency: { principal: 'p', route: 'r', key, bodyDigest: digestOf(key) },
    });
    if (index === null) say(`no ${decision.kind === 'refused' ? decision.refusal.code : ''}`);
    else say(`yes ${index} ${key}`);
  }
};
await Promise.all(Array.from({ length: inFlight }, work));
