// SPDX-License-Identifier: Apache-2.0
import { digestOf } from '../crypto/digest.ts';
import { canonicalize } from '../kernel/canonical-json.ts';
import type { Attachments } from '../kernel/decider.ts';
import { ok, refuse, type JsonObject, type Result } from '../kernel/refusal.ts';
import { isRecordable, maxEntryBytes } from '../ledger/entry.ts';
import type { IdempotencyKey, Opening } from '../ledger/store.ts';
import { attachmentsNamed } from './sequencer-replay.ts';

/** What comes with a command and is no part of it. */
export type Submission = {
  /** Bytes of the blobs that the command names in `attachments`; those that are stored already may be left out. */
  readonly attachments?: Attachments;
  /** Texts behind the command's salted commitments, kept beside the ledger when an entry comes of it. */
  readonly openings?: ReadonlyMap<string, Opening>;
  readonly idempotency?: IdempotencyKey & { readonly bodyDigest: string };
};

/** A command that may wait for its turn: written canonically once, and read back from that text, as a replay will. */
export type Ticket<Command> = {
  readonly command: Command;
  readonly commandText: string;
  readonly named: readonly string[];
  readonly given: Attachments;
  readonly openings: ReadonlyMap<string, Opening>;
  readonly idempotency: (IdempotencyKey & { readonly bodyDigest: string }) | undefined;
};

const maxAttachmentBytes = 16 * 1024 * 1024;
const maxAttachments = 256;
const none: ReadonlyMap<string, never> = new Map<string, never>();

/** Checks all of a submission that needs no state (SPEC L5, L7). */
export const takeIn = <Command extends JsonObject>(
  command: Command,
  submission: Submission,
): Result<Ticket<Command>> => {
  if (!isRecordable(command))
    return refuse(
      'command-unrecordable',
      'L5',
      'the command holds a value that an entry cannot hold',
      {},
      'use whole numbers, well-formed text, and at most 32 levels',
    );
  const commandText = canonicalize(command);
  if (commandText.length > maxEntryBytes)
    return refuse(
      'entry-too-large',
      'L5',
      `the command has more than ${maxEntryBytes} bytes`,
      { limit: maxEntryBytes },
      'attach large content by its digest',
    );
  const openings = submission.openings ?? none;
  const stray = [...openings].find(
    ([commitment, { salt, text }]) =>
      !isRecordable({ salt, text }) || digestOf(canonicalize({ salt, text })) !== commitment,
  );
  if (stray !== undefined)
    return refuse(
      'attachment-mismatch',
      'L7',
      `the text given for commitment \`${stray[0].slice(0, 80)}\` is another one`,
      { named: stray[0].slice(0, 80) },
      'send the salt and text that the signed commitment was made of',
    );
  const named = attachmentsNamed(command);
  const given = keepNamed(named, submission.attachments ?? none);
  if (!given.ok) return given;
  return ok({
    command: JSON.parse(commandText) as Command,
    commandText,
    named,
    given: given.value,
    openings,
    idempotency: submission.idempotency,
  });
};

// What the command doesn't name is dropped: a replay would not have it either.
const keepNamed = (named: readonly string[], attachments: Attachments): Result<Attachments> => {
  if (named.length === 0) return ok(none);
  const kept = new Map<string, Uint8Array>();
  let bytesTotal = 0;
  for (const digest of named) {
    const bytes = attachments.get(digest);
    if (bytes === undefined) continue;
    bytesTotal += bytes.length;
    if (bytesTotal > maxAttachmentBytes || named.length > maxAttachments)
      return refuse(
        'attachment-too-large',
        'L7',
        `the attachments are more than ${maxAttachmentBytes} bytes or ${maxAttachments} in number`,
        { limit: maxAttachmentBytes },
        'attach less',
      );
    const actual = digestOf(bytes);
    if (actual !== digest)
      return refuse(
        'attachment-mismatch',
        'L7',
        `attachment \`${digest.slice(0, 80)}\` has digest \`${actual}\``,
        { named: digest.slice(0, 80), actual },
        'send the bytes whose digest the command names',
      );
    kept.set(digest, bytes);
  }
  return ok(kept);
};
