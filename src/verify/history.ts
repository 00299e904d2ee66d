// SPDX-License-Identifier: Apache-2.0
import type { Attachments } from '../kernel/decider.ts';
import { BrokenInvariant, ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { sha256Hex } from '../crypto/digest.ts';
import { leafHash } from '../ledger/merkle.ts';
import { beginReplay, malformed, readEntry, replayEntry, type Replay } from './replay.ts';

// Governance is the same in file after file. What it comes to is remembered by pin and by the leaf hashes of all its
// entries, in order, so that only these very bytes find it again; documents are named by digest within them.
const remembered = new Map<string, Replay>();
const maxRemembered = 64;

const remember = (key: string, replay: Replay): void => {
  if (remembered.has(key)) return;
  if (remembered.size >= maxRemembered) remembered.delete(remembered.keys().next().value ?? '');
  remembered.set(key, replay);
};

/** Forgets what was remembered; for measurements and tests. */
export const forgetHistories = (): void => remembered.clear();

/** Plays entries from the pinned genesis on: governance, and what tells of one request (SPEC Y1–Y3). */
export const replayHistory = (
  texts: readonly string[],
  pin: string,
  blobs: Attachments,
  ours: string,
): Result<Replay> => {
  const leaves = texts.map((text) => leafHash(text));
  const keys: string[] = [];
  for (const leaf of leaves) keys.push(sha256Hex(`${keys.at(-1) ?? pin} ${leaf}`));
  let done = keys.findLastIndex((key) => remembered.has(key)) + 1;
  let replay = done === 0 ? undefined : remembered.get(keys[done - 1] ?? '');
  if (replay !== undefined) {
    // A file stands on its own, whatever was read before it.
    const missing = replay.named.find((digest) => !blobs.has(digest));
    if (missing !== undefined) return malformed(`document \`${missing}\` is not in the file`, { digest: missing });
  }
  let governanceOnly = true;
  for (; done < texts.length; done += 1) {
    const one = readEntry(texts[done] ?? '', leaves[done]);
    if (!one.ok) return one;
    if (one.value.command.type === 'SubmitRequest' && one.value.command.request === ours) {
      if (replay !== undefined && governanceOnly) remember(keys[done - 1] ?? '', replay);
      governanceOnly = false;
    }
    const next = guarded(() =>
      replay === undefined ? beginReplay(one.value, pin, blobs) : replayEntry(replay, one.value, blobs, ours),
    );
    if (!next.ok) return next;
    replay = next.value;
  }
  return replay === undefined ? malformed('the file holds no entries') : ok(replay);
};

/**
 * The core throws where an entry that its own sequencer wrote could not be so. Here entries come from strangers: what
 * breaks an invariant refuses the file.
 */
export const guarded = <T>(work: () => Result<T>): Result<T> => {
  try {
    return work();
  } catch (error) {
    return broken(error);
  }
};

const broken = (error: unknown): Refused =>
  refuse(
    'replay-differs',
    'Y3',
    `the file cannot be what a ledger wrote: ${error instanceof BrokenInvariant ? error.message : 'its values are beyond all bounds'}`,
    {},
    'do not act on it; fetch the file again',
  );
