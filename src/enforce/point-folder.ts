// SPDX-License-Identifier: Apache-2.0
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  type PathLike,
} from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { sha256Hex } from '../crypto/digest.ts';
import { canonicalize, parseCanonical } from '../kernel/canonical-json.ts';
import { ok, refuse, type JsonObject, type Refused, type Result } from '../kernel/refusal.ts';
import { boolean, literal, shape, text, type Checked } from '../kernel/shape.ts';
import { digest, name, type Envelope } from '../kernel/statements.ts';

/**
 * What an enforcement point must still know after the power has failed, in plain files:
 *
 *     point.json            whose folder this is
 *     used/<permit>         a permit that was used; its being there is the mark, whatever it holds (SPEC Y7)
 *     refusals/<change>-<by>.json    signed vetoes and withdrawals that came here directly (SPEC Y10)
 *     governance/<length>-<leaf>     newest state of roster and policy seen (SPEC Y5)
 *     checkpoints/<size>-<root>      newest checkpoint seen
 *     roster.json           the file that the newest roster was read from
 *
 * Several processes may share it: marks are made by exclusive creation, and what is newest is read from the names.
 */
export type PointFolder = {
  readonly path: string;
  readonly newest: (kind: 'governance' | 'checkpoints') => Result<readonly Newest[]>;
  readonly remember: (kind: 'governance' | 'checkpoints', seen: Newest) => Result<null>;
  readonly isUsed: (permit: string) => Result<boolean>;
  readonly markUsed: (permit: string, record: JsonObject) => Result<null>;
  readonly refusals: (change: string) => Result<readonly KeptRefusal[]>;
  /** One for each `by`: a key and what it signed, a veto or a withdrawal. */
  readonly keepRefusal: (change: string, by: string, kept: KeptRefusal) => Result<null>;
  readonly rosterFile: () => Result<string | undefined>;
  readonly keepRosterFile: (file: string) => Result<null>;
};
export type Newest = { readonly number: number; readonly hash: string };
/** `judged`: entitlement was shown when it came; else it is judged when a permit for that change comes. */
export type KeptRefusal = { readonly envelope: Envelope; readonly judged: boolean };

const owner = shape({ type: literal('countersign.dev/enforcement-point/v0'), pin: digest, instance: name });
const keptRefusal = shape({ envelope: shape({ statement: text(49152), signature: text(22000) }), judged: boolean });
const maxRefusalsOfKey = 1000;

/** Opens the folder, or makes it; one that belongs to another point or ledger is left alone. */
export const openPointFolder = (path: string, pin: string, instance: string): Result<PointFolder> =>
  io(path, () => {
    for (const part of ['used', 'refusals', 'governance', 'checkpoints'])
      mkdirSync(join(path, part), { recursive: true, mode: 0o700 });
    const mine = checkOwner(path, pin, instance);
    if (mine !== undefined) return mine;
    syncFolder(path);
    return ok(folderAt(path));
  });

const checkOwner = (path: string, pin: string, instance: string): Refused | undefined => {
  const file = join(path, 'point.json');
  const mine = { type: 'countersign.dev/enforcement-point/v0', pin, instance };
  if (!exists(file)) {
    const checked = owner(mine, '');
    if (!checked.ok) return checked;
    writeNew(path, 'point.json', canonicalize(mine));
  }
  const parsed = parseCanonical(readFileSync(file));
  const found: Result<Checked<typeof owner>> = parsed.ok ? owner(parsed.value, '') : parsed;
  if (found.ok && found.value.pin === pin && found.value.instance === instance) return undefined;
  return refuse(
    'point-mismatch',
    'Y5',
    `\`${path}\` is the state folder of another enforcement point or ledger`,
    { instance, pin },
    'use a folder for each enforcement point; never share or copy one',
  );
};

const folderAt = (path: string): PointFolder => ({
  path,
  newest: (kind) => io(path, () => ok(newestIn(join(path, kind)))),
  remember: (kind, seen) => io(path, () => ok(rememberIn(join(path, kind), seen))),
  isUsed: (permit) => io(path, () => ok(exists(join(path, 'used', permit)))),
  markUsed: (permit, record) => io(path, () => markUsedIn(join(path, 'used'), permit, record)),
  refusals: (change) => io(path, () => readRefusals(join(path, 'refusals'), change)),
  keepRefusal: (change, by, kept) => io(path, () => keepRefusalIn(join(path, 'refusals'), change, by, kept)),
  rosterFile: () =>
    io(path, () => ok(exists(join(path, 'roster.json')) ? readFileSync(join(path, 'roster.json'), 'utf8') : undefined)),
  keepRosterFile: (file) =>
    io(path, () => {
      replaceFile(path, 'roster.json', file);
      return ok(null);
    }),
});

// A disk that fails is a "no": nothing is done that could not be marked first.
const io = <T>(path: string, work: () => Result<T>): Result<T> => {
  try {
    return work();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    return refuse(
      code === 'ENOSPC' ? 'store-full' : 'store-io',
      'Y7',
      `the state folder \`${path}\` cannot be used: ${code}`,
      { code },
      'make room or mend the disk; until then nothing is admitted',
    );
  }
};

const exists = (path: PathLike): boolean => {
  try {
    closeSync(openSync(path, 'r'));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
};

const syncFolder = (path: string): void => {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
};

/** Creates a file that must not be there yet; false when it is. On true its name and bytes are on disk. */
const writeNew = (folder: string, file: string, content: string): boolean => {
  let handle: number;
  try {
    handle = openSync(join(folder, file), 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  try {
    writeFileSync(handle, content);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  syncFolder(folder);
  return true;
};

const replaceFile = (folder: string, file: string, content: string): void => {
  const draft = `${file}.${randomBytes(8).toString('hex')}.tmp`;
  writeNew(folder, draft, content);
  renameSync(join(folder, draft), join(folder, file));
  syncFolder(folder);
};

// SPEC Y7: the name is the mark. A crash before the bytes were written still leaves the permit used.
const markUsedIn = (folder: string, permit: string, record: JsonObject): Result<null> =>
  writeNew(folder, permit, canonicalize(record)) ? ok(null) : alreadyUsed(permit);

export const alreadyUsed = (permit: string): Refused =>
  refuse(
    'permit-used',
    'Y7',
    `permit \`${permit}\` was used here already`,
    { permit },
    'a permit is used once, whatever came of it; ask again',
  );

const numbered = /^(\d{16})-([0-9a-f]{64})$/;
const nameOf = ({ number, hash }: Newest): string => `${String(number).padStart(16, '0')}-${hash}`;

const readNumbered = (folder: string): readonly Newest[] =>
  readdirSync(folder)
    .map((file) => numbered.exec(file))
    .filter((match) => match !== null)
    .map((match) => ({ number: Number(match[1]), hash: match[2] ?? '' }));

/** All of the greatest number: more than one means that two histories were shown here. */
const newestIn = (folder: string): readonly Newest[] => {
  const all = readNumbered(folder);
  const greatest = all.reduce((most, one) => Math.max(most, one.number), -1);
  return all.filter((one) => one.number === greatest);
};

const rememberIn = (folder: string, seen: Newest): null => {
  writeNew(folder, nameOf(seen), '');
  for (const older of readNumbered(folder))
    if (older.number < seen.number) rmSync(join(folder, nameOf(older)), { force: true });
  return null;
};

const prefixOf = (change: string): string => change.slice('sha256:'.length);

const readRefusals = (folder: string, change: string): Result<readonly KeptRefusal[]> => {
  const kept: KeptRefusal[] = [];
  for (const file of readdirSync(folder).filter(
    (one) => one.startsWith(`${prefixOf(change)}-`) && !one.endsWith('.tmp'),
  )) {
    const checked = readRefusal(join(folder, file));
    // A refusal that cannot be read any more still was one.
    if (!checked.ok)
      return refuse(
        'store-corrupt',
        'Y10',
        `a refusal in \`${folder}\` is damaged`,
        { file },
        'nothing of that change is admitted',
      );
    kept.push(checked.value);
  }
  return ok(kept);
};

const readRefusal = (path: string): Result<KeptRefusal> => {
  const parsed = parseCanonical(readFileSync(path));
  return parsed.ok ? keptRefusal(parsed.value, '') : parsed;
};

// One that cannot be read any more still was one.
const holdsForGood = (path: string): boolean => {
  const kept = readRefusal(path);
  return !kept.ok || kept.value.judged;
};

const keepRefusalIn = (folder: string, change: string, by: string, kept: KeptRefusal): Result<null> => {
  const mark = sha256Hex(by);
  const own = readdirSync(folder).filter((file) => file.endsWith(`-${mark}.json`));
  const file = `${prefixOf(change)}-${mark}.json`;
  if (!kept.judged && own.length >= maxRefusalsOfKey && !own.includes(file))
    return refuse(
      'overloaded',
      'Y10',
      `\`${by}\` has left ${maxRefusalsOfKey} refusals here that nothing was asked about`,
      { by },
      'send the case or the permit file along with the refusal',
    );
  // What was judged holds for good: nobody, its signer included, puts something in its place that was not.
  if (!kept.judged && own.includes(file) && holdsForGood(join(folder, file))) return ok(null);
  replaceFile(folder, file, canonicalize({ envelope: kept.envelope, judged: kept.judged }));
  return ok(null);
};
