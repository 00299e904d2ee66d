// SPDX-License-Identifier: Apache-2.0
// A process among several on one store. It appends without end, and writes down each answer only after it came; told to
// stop, it says how far it is. node replica-child.ts MARK NAME
import { writeSync } from 'node:fs';
import { markFile } from '../../src/app/mark.ts';
import { digestOf } from '../../src/crypto/digest.ts';
import { add, startTally } from '../ledger/tally.ts';
import { storeOverLine } from './store-line.ts';

const [mark = '', name = ''] = process.argv.slice(2);
const say = (line: string): void => void writeSync(1, `${line}\n`);

const { sequencer, alerts } = await startTally(storeOverLine(), markFile(mark), {
  acceptMissingMark: true,
  lookEveryMs: 50,
  fatal: (error) => {
    say(`fatal ${error instanceof Error ? error.message : String(error)}`);
    process.exit(6);
  },
  onAlert: ({ what }) => say(`quarantine ${what}`),
});
for (const { what } of alerts) say(`quarantine ${what}`);
say('started');

const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
let number = 0;
const work = async (): Promise<void> => {
  while (!stop.signal.aborted) {
    number += 1;
    // Now and then a key that others use too.
    const key = number % 5 === 0 ? `common ${number}` : `${name} ${number}`;
    const { decision, index } = await sequencer.submit(
      { ...add(1), key },
      { idempotency: { principal: 'p', route: 'r', key, bodyDigest: digestOf(key) } },
    );
    if (index === null) say(`no ${decision.kind === 'refused' ? decision.refusal.code : ''}`);
    else say(`yes ${index} ${key}`);
  }
};
await Promise.all(Array.from({ length: 4 }, work));
while (!(await sequencer.look()));
const { size, root } = sequencer.head();
await sequencer.close();
say(`closed ${size} ${root}`);
process.disconnect?.();
