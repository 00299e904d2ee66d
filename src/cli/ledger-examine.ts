// SPDX-License-Identifier: Apache-2.0
import { readAhead, type SignedPart } from '../app/check-ahead.ts';
import { checkElsewhere } from '../app/check-elsewhere.ts';
import { examine, type Examined } from '../app/fsck.ts';
import type { FoldedEntry } from '../kernel/decider.ts';
import type { JsonObject } from '../kernel/refusal.ts';
import type { Command } from '../lifecycle/command.ts';
import type { LifecycleEvent } from '../lifecycle/event.ts';
import { lifecycle } from '../lifecycle/lifecycle.ts';
import { namedText } from '../lifecycle/named-texts.ts';
import type { State } from '../lifecycle/state.ts';
import type { LedgerIdentity, LedgerSource } from './ledger-source.ts';
import { orFail } from './output.ts';
import { startProgress } from './progress.ts';

export type ExamineOptions = {
  /** What the progress calls it: `Replayed`. */
  readonly word: string;
  /** What is done with signatures ahead of the fold; by default they are checked on other threads. */
  readonly look?: (part: SignedPart) => Promise<void>;
  readonly onEntry?: (entry: FoldedEntry<Command & JsonObject, LifecycleEvent & JsonObject>) => void;
};

const checked = ({ envelope, namespace }: SignedPart): Promise<void> => checkElsewhere(envelope, namespace);

/** Derives all of a source again, and says how far it has come. Texts are counted where they lie: a server keeps them to itself. */
export const examineSource = async (
  { kind, store, tenant, mark }: LedgerSource,
  { logKey, origin }: LedgerIdentity,
  { word, look = checked, onEntry }: ExamineOptions,
): Promise<Examined<State>> => {
  const progress = startProgress(word);
  let size = 0;
  return orFail(
    await examine(store, tenant, lifecycle, logKey, {
      origin,
      ...(kind === 'server' ? {} : { namesText: namedText }),
      ...(mark === undefined ? {} : { mark }),
      reading: (entries, to) => {
        size = to;
        return readAhead(entries, to, look);
      },
      onEntry: (entry) => {
        onEntry?.(entry);
        progress(entry.index, size);
      },
    }),
  );
};
