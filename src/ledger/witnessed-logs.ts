// SPDX-License-Identifier: Apache-2.0
import { parseVerifierKey, type NoteVerifier } from '../crypto/signed-note.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import type { WitnessedLog } from './witness.ts';

/**
 * The logs that a witness knows, in the lines of a policy (c2sp.org/tlog-policy). Some logs are older than the rule that
 * a key has the name of its log's origin: a line `origin` behind the key says what their checkpoints begin with.
 *
 *     # name+id+key                            where the log is, for people
 *     log example.com/a+1f0a3c5d+AU…           https://a.example.com/
 *     log sum.golang.org+033de0ae+Ac4zctda…
 *     origin go.sum database tree
 */
const maxBytes = 1024 * 1024;
const maxLogs = 4096;

const malformed = (line: number, why: string): Refused =>
  refuse(
    'witness-policy-malformed',
    'L20',
    `line ${line} of the list of logs is malformed: ${why}`,
    { line },
    'write `log` and the verifier key of a log, one a line',
  );

type Listed = { readonly key: NoteVerifier; readonly line: number; origin: string };

// oxlint-disable-next-line no-control-regex -- the specification of policies names these characters
const controls = /[\u0000-\u0008\u000b-\u001f\u007f]/;

/** What is wrong with a line; undefined when nothing is. */
const readLine = (listed: Listed[], text: string, line: number): string | undefined => {
  const [keyword = '', ...items] = text.split(/[ \t]+/).filter((item) => item !== '');
  if (keyword === '' || keyword.startsWith('#')) return undefined;
  if (keyword === 'origin') {
    const last = listed.at(-1);
    const origin = text.trim().slice('origin'.length).trim();
    if (last === undefined || last.origin !== last.key.name) return 'an `origin` stands behind the `log` that it is of';
    if (origin === '') return 'it is not `origin` and the first line of the checkpoints';
    last.origin = origin;
    return undefined;
  }
  const [vkey = '', , ...rest] = items;
  if (keyword !== 'log' || vkey === '' || rest.length > 0) return 'it is not `log <vkey> [<url>]`';
  const key = parseVerifierKey(vkey);
  if (!key.ok) return key.refusal.message;
  const { publicKey } = key.value;
  if (listed.some((one) => Buffer.compare(one.key.publicKey, publicKey) === 0)) return 'another log has the same key';
  if (listed.length === maxLogs) return `more than ${maxLogs} logs`;
  listed.push({ key: key.value, line, origin: key.value.name });
  return undefined;
};

/** Reads the list strictly; a refusal names the line. A log with several keys stands there once for each. */
export const parseWitnessedLogs = (text: string): Result<readonly WitnessedLog[]> => {
  if (text.length > maxBytes) return malformed(1, `the file is larger than ${maxBytes} bytes`);
  if (!text.isWellFormed()) return malformed(1, 'the file is not UTF-8');
  const lines = text.split('\n');
  if (lines.pop() !== '') return malformed(lines.length + 1, 'it does not end in a line break; was it cut?');
  const listed: Listed[] = [];
  for (const [at, line] of lines.entries()) {
    const wrong = controls.test(line) ? 'it holds a control character' : readLine(listed, line, at + 1);
    if (wrong !== undefined) return malformed(at + 1, wrong);
  }
  const logs = new Map<string, NoteVerifier[]>();
  for (const { key, line, origin } of listed) {
    const keys = logs.get(origin) ?? [];
    if (keys.some((one) => one.name === key.name && one.id === key.id))
      return malformed(line, 'another key of this log has the same name and id');
    logs.set(origin, [...keys, key]);
  }
  return ok([...logs].map(([origin, keys]) => ({ origin, keys })));
};
