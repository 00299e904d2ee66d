// SPDX-License-Identifier: Apache-2.0
import { canonicalize, parseCanonical } from '../kernel/canonical-json.ts';
import { refuse, type JsonValue, type Result } from '../kernel/refusal.ts';
import { instant, shape, text } from '../kernel/shape.ts';
import type { Erasure, Opening } from '../ledger/store.ts';

/**
 * Texts of a ledger folder (FORMATS §12, SPEC L31): `opening/<hex>` holds the bytes whose SHA-256 is its name, so that
 * anybody can hold them against the commitment; `erased/<hex>` says when and why one was erased.
 */
const openingShape = shape({ salt: text(64), text: text(16_384) });
const erasedShape = shape({ at: instant, why: text(500) });

export const openingBytes = ({ salt, text: words }: Opening): Uint8Array =>
  Buffer.from(canonicalize({ salt, text: words }));

export const erasureBytes = ({ at, why }: Erasure): Uint8Array => Buffer.from(canonicalize({ at, why }));

const read = <T>(path: string, bytes: Uint8Array, check: (value: JsonValue, path: string) => Result<T>): Result<T> => {
  const parsed = parseCanonical(bytes);
  const checked = parsed.ok ? check(parsed.value, '') : parsed;
  return checked.ok
    ? checked
    : refuse(
        'shape-mismatch',
        'L31',
        `\`${path}\` is no text of a ledger folder: ${checked.refusal.message}`,
        { path },
        'export it again',
      );
};

export const readOpening = (path: string, bytes: Uint8Array): Result<Opening> => read(path, bytes, openingShape);

export const readErasure = (path: string, bytes: Uint8Array): Result<Omit<Erasure, 'commitment'>> =>
  read(path, bytes, erasedShape);
