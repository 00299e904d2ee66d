// SPDX-License-Identifier: Apache-2.0
import type { JsonObject } from '../kernel/refusal.ts';
import { isObject } from '../kernel/shape.ts';
import { namespaces, type Envelope } from '../kernel/statements.ts';
import type { StoredEntry } from '../ledger/store.ts';
import type { EntrySource } from './sequencer-replay.ts';

/** A signed statement in an entry, and the namespace of its type. `own` is the command's, others came along with it. */
export type SignedPart = { readonly envelope: Envelope; readonly namespace: string; readonly own: boolean };

type Range = { readonly from: number; readonly to: number; readonly entries: Promise<readonly StoredEntry[]> };

/**
 * Reads a page ahead of whoever folds, and has the signatures in it looked at meanwhile: the fold goes entry by entry,
 * and signatures do not. What `look` makes of one is no part of the fold: that asks about every signature itself.
 */
export const readAhead = (
  source: EntrySource,
  size: number,
  look: (part: SignedPart) => Promise<void>,
): EntrySource => {
  let next: Range | undefined;
  const begin = (from: number, to: number): Range => {
    const entries = source.entries(from, to).then(async (page) => {
      await Promise.all(page.flatMap(({ bytes }) => signedParts(bytes)).map(look));
      return page;
    });
    // Whoever asks for this page is told; nobody may ever ask.
    entries.catch(() => undefined);
    return { from, to, entries };
  };
  return {
    blob: source.blob,
    entries: async (from, to) => {
      const mine = next?.from === from && next.to === to ? next : begin(from, to);
      next = to < size ? begin(to, Math.min(size, to + (to - from))) : undefined;
      return mine.entries;
    },
  };
};

/** What is signed in an entry; nothing where it cannot be read, which is for the fold to say. */
export const signedParts = (bytes: Uint8Array): readonly SignedPart[] => {
  try {
    const { command } = JSON.parse(Buffer.from(bytes).toString('utf8')) as { readonly command: JsonObject };
    const { envelope, attested } = command;
    return [envelope, ...(Array.isArray(attested) ? attested : [])].flatMap((one) => {
      if (!isObject(one)) return [];
      const { statement, signature } = one;
      if (typeof statement !== 'string' || typeof signature !== 'string') return [];
      const { type } = JSON.parse(statement) as { readonly type?: unknown };
      const namespace = Object.entries(namespaces).find(([name]) => name === type)?.[1];
      return namespace === undefined ? [] : [{ envelope: { statement, signature }, namespace, own: one === envelope }];
    });
  } catch {
    return [];
  }
};
