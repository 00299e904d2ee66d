// SPDX-License-Identifier: Apache-2.0
import { openingBytes, erasureBytes } from '../app/text-files.ts';
import type { NamesText } from '../app/texts.ts';
import { erasedPath, openingPath, type TilePlace } from '../app/tile-place.ts';
import { digestOf } from '../crypto/digest.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { parseEntry } from '../ledger/entry.ts';
import type { Erasure, LedgerStore } from '../ledger/store.ts';

/** How many texts lie in the folder now; `altered` were left out, since they are not what was signed for. */
export type WrittenTexts = { readonly openings: number; readonly erased: number; readonly altered: number };

export type TextExport = {
  readonly store: LedgerStore;
  readonly tenant: string;
  readonly namesText: NamesText;
  readonly place: TilePlace;
  /** Up to which entry the folder goes: texts that only later ones name would be strangers there. */
  readonly size: number;
};

const atOnce = 256;

const each = async <T extends { readonly commitment: string }>(
  pageOf: (after: string, limit: number) => Promise<readonly T[]>,
  work: (one: T) => Promise<void>,
): Promise<void> => {
  for (let after = ''; ; ) {
    const page = await pageOf(after, atOnce);
    for (const one of page) {
      await work(one);
      after = one.commitment;
    }
    if (page.length < atOnce) return;
  }
};

const namedIn = async ({ store, tenant, namesText, size }: TextExport): Promise<ReadonlySet<string>> => {
  const named = new Set<string>();
  for (let from = 0; from < size; from += atOnce)
    for (const { bytes } of await store.entries(tenant, from, Math.min(size, from + atOnce))) {
      const entry = parseEntry(bytes);
      const text = entry.ok ? namesText(entry.value.command) : undefined;
      if (text !== undefined) named.add(text.commitment);
    }
  return named;
};

/**
 * Brings the texts of a ledger folder up to date (SPEC L31): what is left of them, and which were erased. A text that was
 * erased since is taken out of the folder, and one that the folder knows as erased does not come back.
 */
export const writeTexts = async (options: TextExport): Promise<Result<WrittenTexts>> => {
  const { store, tenant, place } = options;
  let known: Promise<ReadonlySet<string>> | undefined;
  // All entries are read, so only for a text that is new.
  const isNamed = async (commitment: string): Promise<boolean> => (await (known ??= namedIn(options))).has(commitment);
  const [kept, gone] = [new Set(await place.list('opening/')), new Set(await place.list('erased/'))];
  let [altered, wrong] = [0, undefined as Refused | undefined];
  const erase = async (erasure: Erasure): Promise<void> => {
    const [path, erased] = [openingPath(erasure.commitment), erasedPath(erasure.commitment)];
    if (!gone.has(erased)) {
      if (!(await isNamed(erasure.commitment))) return;
      await place.put(erased, erasureBytes(erasure));
    }
    gone.add(erased);
    if (kept.delete(path)) await place.remove(path);
  };
  await each((after, limit) => store.erasures(tenant, after, limit), erase);
  await each(
    (after, limit) => store.openings(tenant, after, limit),
    async ({ commitment, opening }) => {
      const path = openingPath(commitment);
      if (gone.has(erasedPath(commitment)) || (!kept.has(path) && !(await isNamed(commitment)))) return;
      const bytes = openingBytes(opening);
      if (digestOf(bytes) !== commitment) altered += 1;
      else if (!kept.has(path)) {
        await place.put(path, bytes);
        kept.add(path);
      } else if (digestOf((await place.get(path)) ?? '') !== commitment) wrong ??= differs(place, path);
    },
  );
  return wrong ?? ok({ openings: kept.size, erased: gone.size, altered });
};

const differs = (place: TilePlace, path: string): Refused =>
  refuse(
    'resource-differs',
    'L31',
    `\`${path}\` in \`${place.name}\` is not the text that was signed for, and is never written over`,
    { path },
    'look with `countersign ledger verify` whether somebody changed it; a copy into a new folder is not affected',
  );

/** Of a damaged ledger: all that can be read, as it stands. */
export const salvageTexts = async ({ store, tenant, place }: Omit<TextExport, 'namesText' | 'size'>): Promise<void> => {
  const form = /^sha256:[0-9a-f]{64}$/;
  await each(
    (after, limit) => store.erasures(tenant, after, limit),
    async (erasure) => {
      if (form.test(erasure.commitment)) await place.put(erasedPath(erasure.commitment), erasureBytes(erasure));
    },
  );
  await each(
    (after, limit) => store.openings(tenant, after, limit),
    async ({ commitment, opening }) => {
      if (form.test(commitment)) await place.put(openingPath(commitment), openingBytes(opening));
    },
  );
};
