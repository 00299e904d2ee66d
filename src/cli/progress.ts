// SPDX-License-Identifier: Apache-2.0
import { say } from './output.ts';

const silentMs = 2000;
const everyMs = 2000;

/** Says on stderr how far something long has come; nothing of what is over within two seconds. */
export const startProgress = (what: string): ((done: number, size: number) => void) => {
  const started = performance.now();
  let next = started + silentMs;
  return (done, size) => {
    const now = performance.now();
    if (now < next || done >= size) return;
    next = now + everyMs;
    const rate = Math.round(done / ((now - started) / 1000));
    say(
      `${what}: ${done} of ${size} entries, ${rate} a second, ${Math.ceil((size - done) / Math.max(1, rate))} s to go`,
    );
  };
};
