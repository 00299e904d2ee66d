// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalize, parseJson } from '../kernel/canonical-json.ts';
import { ok, refuse, type Result } from '../kernel/refusal.ts';
import { instant, shape, text } from '../kernel/shape.ts';
import type { LedgerStore, Opening } from '../ledger/store.ts';

/**
 * Texts of an export (SPEC L31): `opening/<hex>` holds the bytes whose SHA-256 is its name, so that anybody can hold them
 * against the commitment; `erased/<hex>` says when and why one was erased.
 */
const folders = { openings: 'opening', erased: 'erased' } as const;
const atOnce = 256;
const openingShape = shape({ salt: text(64), text: text(16_384) });
const erasedShape = shape({ at: instant, why: text(500) });

const nameOf = (commitment: string): string => commitment.slice('sha256:'.length);

/** Writes what is left of the texts; of the erased, only that they are. */
export const writeTexts = async (
  store: LedgerStore,
  tenant: string,
  out: string,
): Promise<{ readonly openings: number; readonly erased: number }> => {
  for (const folder of Object.values(folders)) mkdirSync(join(out, folder), { mode: 0o700 });
  const write = (folder: string, commitment: string, value: { readonly [field: string]: string }): void =>
    writeFileSync(join(out, folder, nameOf(commitment)), canonicalize(value), { mode: 0o600 });
  let [openings, erased] = [0, 0];
  for (let after = ''; ; ) {
    const page = await store.openings(tenant, after, atOnce);
    for (const { commitment, opening } of page) {
      write(folders.openings, commitment, { ...opening });
      [after, openings] = [commitment, openings + 1];
    }
    if (page.length < atOnce) break;
  }
  for (let after = ''; ; ) {
    const page = await store.erasures(tenant, after, atOnce);
    for (const { commitment, at, why } of page) {
      write(folders.erased, commitment, { at, why });
      [after, erased] = [commitment, erased + 1];
    }
    if (page.length < atOnce) return { openings, erased };
  }
};

const filesIn = (folder: string): readonly string[] =>
  existsSync(folder) ? readdirSync(folder).filter((name) => /^[0-9a-f]{64}$/.test(name)) : [];

/** Puts the texts of an export into a store that is looked at. What they are is checked there, like everything else. */
export const readTexts = async (store: LedgerStore, tenant: string, from: string): Promise<Result<null>> => {
  const malformed = (file: string, why: string): Result<null> =>
    refuse('shape-mismatch', 'L31', `\`${file}\` is no text of an export: ${why}`, { file }, 'export it again');
  const read = <T>(file: string, check: (value: never, path: string) => Result<T>): Result<T> => {
    const parsed = parseJson(readFileSync(file));
    return parsed.ok ? check(parsed.value as never, '') : parsed;
  };
  // First the erased: a store keeps no erasure of what it never had, and lets no erased text come back.
  for (const name of filesIn(join(from, folders.erased))) {
    const file = join(from, folders.erased, name);
    const erased = read(file, erasedShape);
    if (!erased.ok) return malformed(file, erased.refusal.message);
    await store.putOpening(tenant, `sha256:${name}`, { salt: '', text: '' });
    await store.eraseOpening(tenant, { commitment: `sha256:${name}`, ...erased.value }, []);
  }
  for (const name of filesIn(join(from, folders.openings))) {
    const file = join(from, folders.openings, name);
    const opening: Result<Opening> = read(file, openingShape);
    if (!opening.ok) return malformed(file, opening.refusal.message);
    await store.putOpening(tenant, `sha256:${name}`, opening.value);
  }
  return ok(null);
};
