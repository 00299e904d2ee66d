// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { canonicalize, parseCanonical } from '../kernel/canonical-json.ts';
import { refuse, type Result } from '../kernel/refusal.ts';
import { requestDraft, type RequestDraft } from '../kernel/statements.ts';

/** A draft as it goes from whoever asks to whoever vouches for a fact of it: its canonical text, so that both see one digest. */
export const draftText = (draft: RequestDraft): string => canonicalize(draft);

/** Reads what `countersign request --prepare` wrote. */
export const readDraftFile = (path: string): Result<RequestDraft> => {
  try {
    const parsed = parseCanonical(readFileSync(path, 'utf8').trimEnd());
    return parsed.ok ? requestDraft(parsed.value, path) : parsed;
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code;
    if (why === undefined) throw error;
    return refuse(
      'shape-mismatch',
      'K5',
      `\`${path}\` cannot be read (${why})`,
      {},
      'name a file that `countersign request --prepare` wrote',
    );
  }
};
