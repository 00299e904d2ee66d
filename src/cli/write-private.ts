// SPDX-License-Identifier: Apache-2.0
import { closeSync, fsyncSync, openSync, writeFileSync } from 'node:fs';

/** Writes a file that only its owner may read, durably. With `fresh` it must not be there yet. */
export const writePrivate = (file: string, text: string, { fresh = false } = {}): void => {
  const handle = openSync(file, fresh ? 'wx' : 'w', 0o600);
  try {
    writeFileSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
};
