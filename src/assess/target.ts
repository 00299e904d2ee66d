// SPDX-License-Identifier: Apache-2.0
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import type { FactRecord } from '../request/change-document.ts';

const placeholder = /\{([a-z][a-z0-9_]{0,62})\}/g;
const maxLength = 1000;

// Plain ASCII, so that two targets that look alike are alike; every part begins with something that is no option.
const part = /^[A-Za-z0-9._][A-Za-z0-9._:@-]*$/;
const plain = (target: string): boolean =>
  target.length <= maxLength && target.split('/').every((one) => part.test(one) && one !== '.' && one !== '..');

/**
 * The one thing an approval holds for: the template with the facts' values put in (SPEC Q10, C2). What a value may be
 * is settled by its type before, and where it may stand by `checkConsistency`; here it is made sure that what results
 * is one plain path, whatever was put in, so that no value climbs out of its place or leaves a gap.
 */
export const fillTarget = (template: string, facts: { readonly [name: string]: FactRecord }): Result<string> => {
  let wrong: Refused | undefined;
  const filled = template.replaceAll(placeholder, (_whole, name: string) => {
    const given = Object.hasOwn(facts, name) ? facts[name]?.value : undefined;
    if (typeof given === 'number' && Number.isSafeInteger(given)) return String(given);
    if (typeof given === 'string' && plain(given)) return given;
    wrong ??= malformed(template, `fact \`${name}\` cannot stand in it`);
    return '';
  });
  if (wrong !== undefined) return wrong;
  return plain(filled) ? ok(filled) : malformed(template, `\`${filled.slice(0, 60)}\` is not a plain path`);
};

const malformed = (template: string, why: string): Refused =>
  refuse(
    'target-malformed',
    'Q10',
    `target \`${template}\` cannot be filled in: ${why}`,
    { target: template },
    'give plain letters, digits, `.`, `_`, `-`, without `..` or empty parts',
  );
