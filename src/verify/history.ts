// SPDX-License-Identifier: Apache-2.0
import type { Attachments } from '../kernel/decider.ts';
import { BrokenInvariant, ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { beginReplay, malformed, readEntry, replayEntry, type Replay } from './replay.ts';

export type History = {
  readonly replay: Replay;
  /** Where governance ends and the request begins, when the two do not interleave. */
  readonly begun: { readonly replay: Replay; readonly entries: number } | undefined;
};

/**
 * Plays entries from the pinned genesis on, or from where somebody has played to already: governance, and what tells of
 * one request (SPEC Y1–Y3).
 */
export const replayHistory = (
  texts: readonly string[],
  pin: string,
  blobs: Attachments,
  ours: string,
  from?: Replay,
): Result<History> => {
  let replay = from;
  let begun: History['begun'];
  for (const [at, text] of texts.entries()) {
    const one = readEntry(text);
    if (!one.ok) return one;
    const { command } = one.value;
    if (command.type === 'SubmitRequest' && command.request === ours && replay !== undefined)
      begun = { replay, entries: at };
    const next = guarded(() =>
      replay === undefined ? beginReplay(one.value, pin, blobs) : replayEntry(replay, one.value, blobs, ours),
    );
    if (!next.ok) return next;
    replay = next.value;
  }
  return replay === undefined ? malformed('the file holds no entries') : ok({ replay, begun });
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
