// SPDX-License-Identifier: Apache-2.0
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import type { FactRecord } from '../request/change-document.ts';
import { plainPath } from './fact-value.ts';

const placeholder = /\{([a-z][a-z0-9_]{0,62})\}/g;
const maxLength = 1000;

/** Names of the facts in a target template such as `production/{service}`, in order. */
export const placeholdersIn = (template: string): readonly string[] =>
  [...template.matchAll(placeholder)].map((match) => match[1] ?? '');

/**
 * The one thing an approval holds for: the template with the facts' values put in (SPEC F7). What the values can be is
 * settled by their types before; here it is made sure that the result is one plain path, whatever was put in, so that
 * no value climbs out of its place (`..`), hides in control characters, or leaves a gap.
 */
export const fillTarget = (template: string, facts: { readonly [name: string]: FactRecord }): Result<string> => {
  let wrong: Refused | undefined;
  const filled = template.replaceAll(placeholder, (_whole, name: string) => {
    const given = Object.hasOwn(facts, name) ? facts[name]?.value : undefined;
    if (typeof given === 'number' && Number.isSafeInteger(given)) return String(given);
    if (typeof given === 'string' && plainPath(given) && !/[{}]/.test(given)) return given;
    wrong ??= malformed(template, `fact \`${name}\` cannot stand in it`);
    return '';
  });
  if (wrong !== undefined) return wrong;
  if (/[{}]/.test(filled)) return malformed(template, 'it has a brace that names no fact');
  if (filled.length > maxLength) return malformed(template, `it would be longer than ${maxLength} characters`);
  return plainPath(filled) ? ok(filled) : malformed(template, `\`${filled.slice(0, 60)}\` is not a plain path`);
};

const malformed = (template: string, why: string): Refused =>
  refuse(
    'target-malformed',
    'F7',
    `target \`${template}\` cannot be filled in: ${why}`,
    { target: template },
    'give a name, path, commit, digest or whole number without `..`, empty parts or control characters',
  );
