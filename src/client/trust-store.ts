// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { digestOf } from '../crypto/digest.ts';
import { canonicalize, parseJson } from '../kernel/canonical-json.ts';
import { ok, refuse, type JsonObject, type Refused, type Result } from '../kernel/refusal.ts';
import { boolean, isObject, matching, nullable, recordOf, shape, text, type Checked } from '../kernel/shape.ts';
import { digest } from '../kernel/statements.ts';
import { readCheckpointNote } from '../ledger/checkpoint.ts';
import { readHomeFile, withHomeLock, writeHomeFile } from './home-file.ts';

const mostNote = 65_536;

/**
 * What one's own machine remembers of each server's ledger: the pin, what the genesis behind the pin says, and the
 * newest checkpoint seen. A memory that cannot be read is never taken for an empty one: forgetting is what somebody
 * who shows two histories would need (T5).
 */
const known = shape({
  pin: digest,
  /** What the genesis says; null until it was read and found to have the pin's digest. */
  genesis: nullable(
    shape({ tenant: matching(/^[a-z][a-z0-9-]{0,62}$/, 'a tenant name'), log_key: text(500), trial: boolean }),
  ),
  /** Signed note of the newest checkpoint seen, or null. */
  checkpoint: nullable(text(mostNote)),
});
export type KnownLedger = Checked<typeof known>;
const file = recordOf(/^https?:\/\/[^\s/]+$/, known, 10_000);
type KnownLedgers = { readonly [server: string]: KnownLedger };

// Anybody on the way can add signature lines. What could not be read again would make this machine forget all the rest.
const tooLong = (length: number): Refused =>
  refuse(
    'checkpoint-malformed',
    'W1',
    `the checkpoint has ${length} characters, more than ${mostNote}: nobody has so many signatures`,
    { length },
    'the server, or something before it, adds to what the log signed: look at the address',
  );

const damaged = (path: string, why: string): Refused =>
  refuse(
    'home-damaged',
    'W1',
    `\`${path}\` cannot be read: ${why}`,
    { path },
    'mend it, or put it aside knowing that this machine then forgets which history it has seen',
  );

export type TrustStore = {
  /** What is known of a server, or undefined when it was never met. */
  readonly read: (server: string) => Result<KnownLedger | undefined>;
  /** Every server this machine has met. */
  readonly all: () => Result<readonly (KnownLedger & { readonly server: string })[]>;
  /** The newest checkpoint of a ledger, whichever server showed it. */
  readonly newest: (pin: string) => Result<string | null>;
  /** Remembers a server's ledger; an older checkpoint never replaces a newer one. */
  readonly remember: (server: string, ledger: KnownLedger) => Promise<Result<null>>;
  /** Keeps two notes that contradict each other; gives the folder. */
  readonly keepEvidence: (pin: string, notes: { readonly [name: string]: string }) => string;
};

export const openTrustStore = (home: string): TrustStore => {
  const path = join(home, 'ledgers.json');
  const readAll = (): Result<KnownLedgers> => {
    const bytes = readHomeFile(path);
    if (bytes === undefined) return ok({});
    const parsed = parseJson(bytes);
    if (!parsed.ok) return damaged(path, parsed.refusal.message);
    const checked = file(parsed.value, '');
    return checked.ok ? checked : damaged(path, checked.refusal.message);
  };
  const newest = (pin: string): Result<string | null> => {
    const all = readAll();
    return all.ok
      ? newestNote(
          path,
          Object.values(all.value).filter((one) => one.pin === pin),
        )
      : all;
  };
  return {
    read: (server) => {
      const all = readAll();
      return all.ok ? ok(Object.hasOwn(all.value, server) ? all.value[server] : undefined) : all;
    },
    all: () => {
      const all = readAll();
      return all.ok ? ok(Object.entries(all.value).map(([server, known]) => ({ server, ...known }))) : all;
    },
    newest,
    remember: (server, ledger) =>
      withHomeLock(path, () => {
        const { length } = ledger.checkpoint ?? '';
        if (length > mostNote) return tooLong(length);
        const all = readAll();
        if (!all.ok) return all;
        const before = Object.values(all.value).filter((one) => one.pin === ledger.pin);
        const checkpoint = newestNote(path, [...before, ledger]);
        if (!checkpoint.ok) return checkpoint;
        const next = { ...all.value, [server]: { ...ledger, checkpoint: checkpoint.value } };
        writeHomeFile(path, `${JSON.stringify(next, null, 2)}\n`);
        return ok(null);
      }),
    keepEvidence: (pin, notes) => {
      const name = digestOf(canonicalize(notes)).slice(7, 23);
      const folder = join(home, 'evidence', `${pin.slice(7, 23)}-${name}`);
      for (const [note, content] of Object.entries(notes)) writeHomeFile(join(folder, note), content);
      return folder;
    },
  };
};

const newestNote = (path: string, ledgers: readonly KnownLedger[]): Result<string | null> => {
  let best: { readonly size: number; readonly note: string } | null = null;
  for (const { checkpoint: note } of ledgers) {
    if (note === null) continue;
    const read = readCheckpointNote(note);
    if (!read.ok) return damaged(path, read.refusal.message);
    if (best === null || read.value.size > best.size) best = { size: read.value.size, note };
  }
  return ok(best?.note ?? null);
};

// ── Sessions ────────────────────────────────────────────────────────────────────────────────────────────────────────
const session = shape({ principal: text(80), token: text(500), expires_at: text(24) });
export type KeptSession = Checked<typeof session>;

export type SessionStore = {
  /** The session that a key opened, however old. */
  readonly read: (server: string, key: string) => KeptSession | undefined;
  /** Any session of this server that has not ended. */
  readonly anyOpen: (server: string, now: string) => KeptSession | undefined;
  readonly keep: (server: string, key: string, session: KeptSession) => Promise<void>;
};

/** Sessions let one read and nothing else; a file of them that is damaged counts as none. */
export const openSessionStore = (home: string): SessionStore => {
  const path = join(home, 'sessions.json');
  const readAll = (): JsonObject => {
    const bytes = readHomeFile(path);
    const parsed = bytes === undefined ? undefined : parseJson(bytes);
    return parsed?.ok === true && isObject(parsed.value) ? parsed.value : {};
  };
  const ofServer = (server: string): readonly (readonly [string, KeptSession])[] => {
    const kept = readAll()[server];
    return Object.entries(isObject(kept) ? kept : {}).flatMap(([key, value]) => {
      const checked = session(value, '');
      return checked.ok ? [[key, checked.value] as const] : [];
    });
  };
  return {
    read: (server, key) => ofServer(server).find(([of]) => of === key)?.[1],
    anyOpen: (server, now) => ofServer(server).find(([, one]) => one.expires_at > now)?.[1],
    keep: (server, key, opened) =>
      withHomeLock(path, () => {
        const next = { ...readAll(), [server]: { ...Object.fromEntries(ofServer(server)), [key]: opened } };
        writeHomeFile(path, `${JSON.stringify(next, null, 2)}\n`);
      }),
  };
};
