// SPDX-License-Identifier: Apache-2.0
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { syncFolder } from '../app/sync-folder.ts';
import { parseCanonical, canonicalize } from '../kernel/canonical-json.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { integer, instant, shape, type Checked } from '../kernel/shape.ts';
import { hash } from '../kernel/statements.ts';

/**
 * That somebody started a ledger without its mark, and said that it ends where it ends (SPEC L28). One line each in
 * `DIR/losses.jsonl`, never taken away: whoever reads the folder later sees from where on history rests on that word.
 *
 *     {"accepted_at":"2026-11-25T05:00:00.000Z","root":"9f86d0…","size":480}
 */
const lossShape = shape({ accepted_at: instant, root: hash, size: integer(0) });
export type AcceptedLoss = Checked<typeof lossShape>;

const fileOf = (dir: string): string => join(dir, 'losses.jsonl');

/** Keeps the word; a refusal when it may not be on the disk. */
export const recordLoss = (dir: string, loss: AcceptedLoss): Refused | undefined => {
  try {
    appendFileSync(fileOf(dir), `${canonicalize(loss)}\n`, { mode: 0o600, flush: true });
    syncFolder(dir);
    return undefined;
  } catch (error) {
    return refuse(
      'store-io',
      'L28',
      `\`${fileOf(dir)}\` cannot be written: ${String(error)}`,
      { dir },
      'look at its disk and permissions; no loss is accepted that leaves no trace',
    );
  }
};

/** Every loss that was accepted in a data folder, the oldest first. */
export const readLosses = (dir: string): Result<readonly AcceptedLoss[]> => {
  let text: string;
  try {
    text = readFileSync(fileOf(dir), 'utf8');
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return ok([]);
    return unreadable(dir, String(error));
  }
  const losses: AcceptedLoss[] = [];
  for (const line of text.split('\n').filter((one) => one !== '')) {
    const parsed = parseCanonical(line);
    const loss = parsed.ok ? lossShape(parsed.value, '') : parsed;
    if (!loss.ok) return unreadable(dir, loss.refusal.message);
    losses.push(loss.value);
  }
  return ok(losses);
};

const unreadable = (dir: string, why: string) =>
  refuse('file-malformed', 'L28', `\`${fileOf(dir)}\` cannot be read: ${why}`, { dir }, 'find out who changed it');
