// SPDX-License-Identifier: Apache-2.0
import type { FactSource, FactType } from './compiled.ts';
import { adapterNames } from './consistency.ts';
import { didYouMean, nearest } from './diagnostic.ts';
import { read, unreadable, type Reading } from './document-findings.ts';
import { factTypes } from './policy-shape.ts';

/**
 * The small grammars inside policy documents (SPEC P14): durations, who, how many of whom, where a fact comes from.
 * What is not understood whole is refused with its place; nothing is guessed and nothing left over is ignored.
 */
const units: { readonly [unit: string]: number } = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const longestMs = 400 * 86_400_000;

/** Milliseconds of `30s`, `15m`, `4h` or `3d`. */
export const readDuration = (text: string): Reading<number> => {
  const match = /^(\d{1,9})([smhd])$/.exec(text);
  const ms = match === null ? 0 : Number(match[1]) * (units[match[2] ?? ''] ?? 0);
  if (match === null || ms === 0)
    return unreadable(
      'policy-duration-malformed',
      `\`${cut(text)}\` is no duration`,
      'write a whole number from 1 and a unit: `30s`, `15m`, `4h`, `3d`',
    );
  return ms <= longestMs
    ? read(ms)
    : unreadable('policy-duration-malformed', `\`${text}\` is longer than 400 days`, 'write a shorter time');
};

export type PrincipalKind = 'group' | 'person' | 'machine';
const principalForms: { readonly [kind in PrincipalKind]: RegExp } = {
  group: /^[a-z][a-z0-9-]{0,62}$/,
  machine: /^[a-z][a-z0-9-]{0,62}$/,
  person: /^p_[a-z0-9_]{4,40}$/,
};
const holderKinds: readonly PrincipalKind[] = ['group', 'person'];
const anyKind: readonly PrincipalKind[] = ['group', 'machine', 'person'];

/** `group:<name>` or `person:<id>`; with `machines`, also `machine:<name>`. */
export const readPrincipal = (text: string, machines: boolean, at = 0): Reading<string> => {
  const colon = text.indexOf(':');
  const kind = text.slice(0, Math.max(colon, 0));
  const name = text.slice(colon + 1);
  const bad = (message: string, help: string, offset = at): Reading<never> =>
    unreadable('policy-document-malformed', message, help, offset);
  if (colon < 0) return bad(`\`${cut(text)}\` does not say what it is`, `write for example \`group:${plain(text)}\``);
  if (!Object.hasOwn(principalForms, kind))
    return bad(`\`${cut(kind)}\` is no kind of principal`, didYouMean(kind, machines ? anyKind : holderKinds));
  if (kind === 'machine' && !machines)
    return bad(
      `\`${cut(text)}\` is a machine, and only people can stand here`,
      'name a group, such as `group:platform`',
    );
  if (principalForms[kind as PrincipalKind].test(name)) return read(text);
  return kind === 'person'
    ? bad(
        `\`${cut(name)}\` is no person id`,
        'ids look like `p_7h2k9w`; or name a group, such as `group:platform`',
        at + colon + 1,
      )
    : bad(`\`${cut(name)}\` is no name`, 'write lowercase letters, digits and dashes', at + colon + 1);
};

const plain = (text: string): string => (principalForms.group.test(text) ? text : 'platform');

export type SeatText = { readonly count: number; readonly group: string };

/** `1 of group:platform`. A count below one is read, so that soundness can say what is wrong with it. */
export const readSeat = (text: string): Reading<SeatText> => {
  const match = /^(-?\d{1,9})( +of +)(\S.*)$/.exec(text);
  if (match === null)
    return unreadable(
      'policy-document-malformed',
      `\`${cut(text)}\` does not say how many of whom`,
      'write for example `1 of group:platform`',
    );
  const [, count = '', of = '', group = ''] = match;
  const who = readPrincipal(group, false, count.length + of.length);
  return who.ok ? read({ count: Number(count) + 0, group: who.value }) : who;
};

/** Percent of `all`, `none` or `10%`. */
export const readReview = (text: string): Reading<number> => {
  if (text === 'all') return read(100);
  if (text === 'none') return read(0);
  const percent = /^\d{1,3}%$/.test(text) ? Number(text.slice(0, -1)) : 101;
  return percent <= 100
    ? read(percent)
    : unreadable(
        'policy-document-malformed',
        `\`${cut(text)}\` is no share of uses`,
        'write `all`, `none`, or a share such as `10%`',
      );
};

export const readFactType = (text: string): Reading<FactType> => {
  const type = factTypes.find((one) => one === text);
  return type === undefined
    ? unreadable('policy-unsupported', `fact type \`${cut(text)}\` is not supported`, didYouMean(text, factTypes))
    : read(type);
};

const sourceHelp = `use \`requester\`, ${adapterNames.map((one) => `\`${one}(fact)\``).join(', ')} or \`attested(group:…)\``;

/** `requester`, `git(commit)`, `file-digest(path)` or `attested(group:qa)`; the argument of an adapter is a fact. */
export const readSource = (text: string, facts: readonly string[]): Reading<FactSource> => {
  const match = /^([a-z][a-z0-9-]{0,62})(?:\(([^()]*)\))?$/.exec(text);
  if (match === null)
    return unreadable('policy-document-malformed', `\`${cut(text)}\` is no source of facts`, sourceHelp);
  const [, name = '', argument] = match;
  if (name === 'requester')
    return argument === undefined
      ? read({ kind: 'requester' })
      : unreadable(
          'policy-document-malformed',
          '`requester` takes no argument',
          'write `source: requester`',
          name.length,
        );
  if (name === 'attested') {
    if (argument === undefined)
      return unreadable(
        'policy-document-malformed',
        '`attested` does not say by whom',
        'write for example `attested(group:qa)`',
      );
    const by = readPrincipal(argument, true, name.length + 1);
    return by.ok ? read({ kind: 'attested', by: by.value }) : by;
  }
  if (!adapterNames.includes(name)) {
    const near = nearest(name, ['requester', 'attested', ...adapterNames]);
    return unreadable(
      'policy-unsupported',
      `source \`${cut(text)}\` is not supported yet`,
      near === undefined ? sourceHelp : `did you mean \`${near}\`? ${sourceHelp}`,
    );
  }
  if (argument === undefined)
    return unreadable(
      'policy-document-malformed',
      `\`${name}\` does not say which fact it reads`,
      `write for example \`${name}(commit)\``,
    );
  return facts.includes(argument)
    ? read({ kind: 'adapter', adapter: name, argument })
    : unreadable(
        'policy-fact-unknown',
        `fact \`${cut(argument)}\` is not declared`,
        didYouMean(argument, facts),
        name.length + 1,
      );
};

/** `requester`, or `facts.<name>` of a declared fact. */
export const readMadeBy = (text: string, facts: readonly string[]): Reading<string> => {
  if (text === 'requester') return read(text);
  if (!text.startsWith('facts.'))
    return unreadable(
      'policy-document-malformed',
      `\`${cut(text)}\` does not say who made it`,
      'write `requester`, or `facts.` and a fact that lists persons',
    );
  const name = text.slice('facts.'.length);
  return facts.includes(name)
    ? read(text)
    : unreadable(
        'policy-fact-unknown',
        `fact \`${cut(name)}\` is not declared`,
        didYouMean(name, facts),
        'facts.'.length,
      );
};

const cut = (text: string): string => (text.length > 60 ? `${text.slice(0, 59)}…` : text);
