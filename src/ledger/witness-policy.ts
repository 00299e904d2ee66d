// SPDX-License-Identifier: Apache-2.0
import { parseCosignerKey, type Cosignature, type CosignerVerifier } from '../crypto/cosignature.ts';
import { parseVerifierKey, type NoteVerifier } from '../crypto/signed-note.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';

/**
 * Which logs, which witnesses, and how many of them are enough (c2sp.org/tlog-policy):
 *
 *     log      example.com/a+1f0a3c5d+AU…
 *     witness  X1  witness.example/x1+5a6b7c8d+BE…  https://witness.example/x1/
 *     witness  X2  witness.example/x2+9e8d7c6b+BC…
 *     witness  Y1  elsewhere.example+0a1b2c3d+BA…
 *     group    X   any X1 X2
 *     group    all-of-them  2 X Y1
 *     quorum   all-of-them
 */
export type WitnessPolicy = {
  readonly logs: readonly PolicyLog[];
  readonly witnesses: readonly PolicyWitness[];
  readonly quorum: Quorum;
};
/** `url` is kept as it is written; whoever calls it looks at it. */
export type PolicyLog = { readonly key: NoteVerifier; readonly url?: string };
/** `name` means something in this file alone; `key.name` is the witness's own. */
export type PolicyWitness = { readonly name: string; readonly key: CosignerVerifier; readonly url?: string };
export type Quorum =
  | { readonly kind: 'none' }
  | { readonly kind: 'witness'; readonly key: CosignerVerifier }
  | { readonly kind: 'group'; readonly threshold: number; readonly members: readonly Quorum[] };

const maxBytes = 64 * 1024;
/** Of logs, of witnesses and of groups; the specification asks for 32. */
const maxOfKind = 64;

const malformed = (why: string, line?: number): Refused =>
  refuse(
    'witness-policy-malformed',
    'L19',
    `${line === undefined ? 'the policy of witnesses' : `line ${line} of the policy of witnesses`} is malformed: ${why}`,
    line === undefined ? {} : { line },
    'look at c2sp.org/tlog-policy',
  );

const quoted = (name: string): string => `\`${name.slice(0, 120)}\``;

// SPEC L19: the specification allows tab, line break, printable ASCII and what is not ASCII.
// oxlint-disable-next-line no-control-regex -- the specification names these characters
const controls = /[\u0000-\u0008\u000b-\u001f\u007f]/;

/** What the lines so far define. `free` holds the names that no group has as a member yet. */
type Draft = {
  readonly logs: PolicyLog[];
  readonly witnesses: PolicyWitness[];
  readonly named: Map<string, Quorum>;
  readonly free: Set<string>;
  groups: number;
  quorum?: Quorum;
};

/** What is wrong with a line; undefined when nothing is. */
type Wrong = string | undefined;

const bytesOf = ({ publicKey }: { readonly publicKey: Uint8Array }): string => Buffer.from(publicKey).toString('hex');
const withUrl = (url: string | undefined): { readonly url?: string } => (url === undefined ? {} : { url });

const define = (draft: Draft, name: string, what: Quorum): Wrong => {
  if (name === 'none') return '`none` is a name of the specification';
  if (draft.named.has(name)) return `${quoted(name)} is defined twice`;
  draft.named.set(name, what);
  draft.free.add(name);
  return undefined;
};

const addLog = (draft: Draft, [vkey = '', url, ...rest]: readonly string[]): Wrong => {
  if (vkey === '' || rest.length > 0) return 'it is not `log <vkey> [<url>]`';
  const key = parseVerifierKey(vkey);
  if (!key.ok) return key.refusal.message;
  if (draft.logs.some((log) => bytesOf(log.key) === bytesOf(key.value))) return 'another log has the same key';
  if (draft.logs.length === maxOfKind) return `more than ${maxOfKind} logs`;
  draft.logs.push({ key: key.value, ...withUrl(url) });
  return undefined;
};

const addWitness = (draft: Draft, [name = '', vkey = '', url, ...rest]: readonly string[]): Wrong => {
  if (vkey === '' || rest.length > 0) return 'it is not `witness <name> <vkey> [<url>]`';
  const key = parseCosignerKey(vkey);
  if (!key.ok) return key.refusal.message;
  const mine = key.value;
  // One who stood here twice would count twice.
  if (draft.witnesses.some((other) => bytesOf(other.key) === bytesOf(mine))) return 'another witness has the same key';
  if (draft.witnesses.some((other) => other.key.name === mine.name && other.key.id === mine.id))
    return 'another witness has the same key name and id';
  if (draft.witnesses.length === maxOfKind) return `more than ${maxOfKind} witnesses`;
  draft.witnesses.push({ name, key: mine, ...withUrl(url) });
  return define(draft, name, { kind: 'witness', key: mine });
};

const thresholdOf = (text: string, count: number): number => {
  if (text === 'any') return 1;
  if (text === 'all') return count;
  return /^[1-9]\d{0,2}$/.test(text) ? Number(text) : Number.NaN;
};

const addGroup = (draft: Draft, [name = '', how = '', ...names]: readonly string[]): Wrong => {
  if (names.length === 0) return 'it is not `group <name> all|any|<k> <name>...`';
  if (draft.groups === maxOfKind) return `more than ${maxOfKind} groups`;
  const threshold = thresholdOf(how, names.length);
  if (!(threshold <= names.length))
    return `${quoted(how)} is not \`all\`, \`any\` or a number from 1 to ${names.length}`;
  const members: Quorum[] = [];
  for (const one of names) {
    const member = draft.named.get(one);
    if (member === undefined) return `${quoted(one)} is not defined on a line before`;
    // A witness contributes in one way: each name is a member once, in the whole file.
    if (!draft.free.delete(one)) return `${quoted(one)} is already a member of a group`;
    members.push(member);
  }
  draft.groups += 1;
  return define(draft, name, { kind: 'group', threshold, members });
};

const setQuorum = (draft: Draft, [name = '', ...rest]: readonly string[]): Wrong => {
  if (name === '' || rest.length > 0) return 'it is not `quorum <name>`';
  if (draft.quorum !== undefined) return 'another line already says what the quorum is';
  const quorum: Quorum | undefined = name === 'none' ? { kind: 'none' } : draft.named.get(name);
  if (quorum === undefined) return `${quoted(name)} is not defined on a line before`;
  draft.quorum = quorum;
  return undefined;
};

const readers: { readonly [keyword: string]: (draft: Draft, items: readonly string[]) => Wrong } = {
  log: addLog,
  witness: addWitness,
  group: addGroup,
  quorum: setQuorum,
};

/** Reads a policy strictly; a refusal names the line. */
export const parseWitnessPolicy = (text: string): Result<WitnessPolicy> => {
  if (text.length > maxBytes || Buffer.byteLength(text) > maxBytes)
    return malformed(`it is larger than ${maxBytes} bytes`);
  if (!text.isWellFormed()) return malformed('it is not UTF-8');
  const lines = text.split('\n');
  if (lines.pop() !== '') return malformed('it does not end in a line break; was it cut?', lines.length + 1);
  const draft: Draft = { logs: [], witnesses: [], named: new Map(), free: new Set(), groups: 0 };
  for (const [at, line] of lines.entries()) {
    if (controls.test(line)) return malformed('it holds a control character; lines end in a line feed alone', at + 1);
    const [keyword = '', ...items] = line.split(/[ \t]+/).filter((item) => item !== '');
    if (keyword === '' || keyword.startsWith('#')) continue;
    const reader = Object.hasOwn(readers, keyword) ? readers[keyword] : undefined;
    const wrong =
      reader === undefined ? `${quoted(keyword)} is not log, witness, group or quorum` : reader(draft, items);
    if (wrong !== undefined) return malformed(wrong, at + 1);
  }
  const { logs, witnesses, quorum } = draft;
  return quorum === undefined
    ? malformed('no line says what the quorum is; `quorum none` asks for no witness')
    : ok({ logs, witnesses, quorum });
};

/** All witnesses of the policy, to verify cosignatures with; whether they are enough, the quorum says. */
export const policyCosigners = ({ witnesses }: WitnessPolicy): readonly CosignerVerifier[] =>
  witnesses.map(({ key }) => key);

type Order = (one: number, other: number) => number;

// The moment at which a quorum is reached when its cosignatures come in an order: that of the last one that it needs.
const reached = (quorum: Quorum, cosignatures: readonly Cosignature[], order: Order): number | undefined => {
  if (quorum.kind === 'none') return undefined;
  if (quorum.kind === 'witness') {
    const { name, id } = quorum.key;
    const [first] = cosignatures
      .filter((one) => one.name === name && one.id === id)
      .toSorted((a, b) => order(a.time, b.time));
    return first?.time;
  }
  const moments = quorum.members.flatMap((member) => reached(member, cosignatures, order) ?? []);
  return moments.toSorted(order)[quorum.threshold - 1];
};

/**
 * When a quorum says that it saw the tree, in seconds since 1970. `by` is the smallest T so that the cosignatures with
 * a time of T or earlier are enough; `notBefore` the largest T so that those with a time of T or later are. Undefined
 * when they are not enough, or when the policy asks for nobody: then nobody vouches for a time.
 */
export const quorumTimes = (
  { quorum }: WitnessPolicy,
  cosignatures: readonly Cosignature[],
): { readonly by: number; readonly notBefore: number } | undefined => {
  const by = reached(quorum, cosignatures, (one, other) => one - other);
  const notBefore = reached(quorum, cosignatures, (one, other) => other - one);
  return by === undefined || notBefore === undefined ? undefined : { by, notBefore };
};

/** Whether those who cosigned are enough. The cosignatures were verified with the keys of this policy, or are worth nothing. */
export const meetsQuorum = (policy: WitnessPolicy, cosignatures: readonly Cosignature[]): boolean =>
  policy.quorum.kind === 'none' || quorumTimes(policy, cosignatures) !== undefined;
