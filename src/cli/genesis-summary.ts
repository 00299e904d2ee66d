// SPDX-License-Identifier: Apache-2.0
import { visibleText } from '../client/visible-text.ts';
import { fingerprintWords } from '../crypto/words.ts';
import type { JsonObject } from '../kernel/refusal.ts';
import type { Genesis } from '../lifecycle/genesis.ts';
import type { Names } from './draft-folder.ts';
import { spoken } from './duration.ts';
import { policySummary } from './policy-summary.ts';

type People = Names['people'];

const named = (id: string, people: People): string => {
  const name = people[id];
  return name === undefined ? id : `${id} (${visibleText(name)})`;
};

const idOf = (key: string): string => key.slice(key.indexOf('/') + 1);
const fields = (record: JsonObject, ...left: readonly string[]): string =>
  Object.entries(record)
    .filter(([field]) => !left.includes(field))
    .map(([field, value]) => `${field} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ');

export const rosterLines = (records: Genesis['roster']['records'], people: People): string[] => {
  const lines: string[] = [];
  for (const [key, record] of [...records].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const kind = key.slice(0, key.indexOf('/'));
    if (kind === 'key') {
      const holder = String(record['holder']).replace(/^person:/, '');
      lines.push(
        `  key      ${idOf(key)} (${fingerprintWords(idOf(key)).join(' ')})`,
        `           of ${named(holder, people)}, ${fields(record, 'holder', 'line')}`,
      );
    } else if (kind === 'person') lines.push(`  person   ${named(idOf(key), people)}: ${visibleText(fields(record))}`);
    else if (kind === 'group') {
      const members = record['members'] as readonly string[];
      lines.push(`  group    ${idOf(key)}: ${members.map((id) => named(id, people)).join(', ') || 'nobody'}`);
    } else lines.push(`  ${kind.padEnd(8)} ${idOf(key)}: ${visibleText(fields(record))}`);
  }
  return lines;
};

/**
 * A genesis for people: everything that its signature will bind them to. Names stand in brackets because nobody signs
 * them; ids, keys and rules are what counts.
 */
const genesisSummary = ({ statement, identity, roster, policy }: Genesis, names: Names): string[] => {
  const { recovery } = statement;
  return [
    `Ledger   ${identity.ledger}`,
    `Words    ${fingerprintWords(identity.ledger).join(' ')}`,
    `Origin   ${identity.origin}${statement.trial ? '   A TRIAL: one person may start it alone, and it never becomes a real ledger' : ''}`,
    `Made     ${statement.created_at}, for tenant ${statement.tenant}`,
    `Founders ${statement.founders.map((id) => named(id, names.people)).join(', ')}`,
    `Rule     governance needs at least ${statement.threshold} of the persons its gates name`,
    recovery === null
      ? 'Recovery none'
      : `Recovery ${recovery.threshold} of ${recovery.holders.length} keys, after ${spoken(recovery.delay_ms)}`,
    ...(recovery?.holders ?? []).map(({ person, key }) => `  key    ${key} of ${named(person, names.people)}`),
    `Log key  ${statement.log_key} (signs checkpoints, and can't make a permit)`,
    '',
    `Roster   root ${roster.root}`,
    ...rosterLines(roster.records, names.people),
    '',
    `Policy   ${statement.policy}${policy.commit === null ? '' : ` from ${policy.commit}`}`,
    ...policySummary(policy, names.titles).map((line) => `  ${visibleText(line)}`),
  ];
};

/** The same for a draft, without the six words: those come over another channel than the draft does (SPEC N7). */
export const draftSummary = (genesis: Genesis, names: Names): string[] =>
  genesisSummary(genesis, names).filter((line) => !line.startsWith('Words '));
