// SPDX-License-Identifier: Apache-2.0
import type { CompiledTier } from './compiled.ts';
import { readDuration, readPrincipal, readReview, readSeat } from './compile-texts.ts';
import { didYouMean } from './diagnostic.ts';
import type { DocumentFindings } from './document-findings.ts';
import type { TierDocument } from './document.ts';
import type { DocumentPath } from './parse.ts';

const rule = 'P14';

/** Reads a list of principals as a set: sorted, so that its order means nothing, and refused when one stands twice. */
export const compilePrincipals = (
  texts: readonly string[],
  path: DocumentPath,
  machines: boolean,
  found: DocumentFindings,
): readonly string[] =>
  compileSet(
    texts.map((text, at) => found.take([...path, at], rule, readPrincipal(text, machines), text)),
    path,
    found,
  );

export const compileSet = (
  items: readonly string[],
  path: DocumentPath,
  found: DocumentFindings,
): readonly string[] => {
  items.forEach((item, at) => {
    if (items.indexOf(item) < at)
      found.add([...path, at], {
        code: 'policy-document-malformed',
        rule,
        message: `\`${item}\` stands twice in one list`,
        help: 'name it once',
      });
  });
  return [...items].sort();
};

export const compileTier = (tier: TierDocument, path: DocumentPath, found: DocumentFindings): CompiledTier => {
  if (tier.automatic !== undefined)
    found.addAtKey([...path, 'automatic'], {
      code: 'policy-unsupported',
      rule: 'P8',
      message: 'tiers without a person, `automatic`, are not supported yet',
      help: 'give the tier `approvals`, such as `platform: 1 of group:platform`',
    });
  const lock = tier['time-lock'];
  const at = (...rest: DocumentPath): DocumentPath => [...path, ...rest];
  return {
    name: tier.name,
    from_score: tier['from-score'],
    seats: Object.entries(tier.approvals ?? {}).map(([name, text]) => ({
      name,
      ...found.take(at('approvals', name), rule, readSeat(text), { count: 0, group: '' }),
    })),
    must_not_share: compileSet(tier['must-not-share'], at('must-not-share'), found),
    sign_with: tier['sign-with'],
    independent_surface: tier['independent-surface'],
    time_lock:
      lock === undefined
        ? null
        : {
            wait_ms: found.take(at('time-lock', 'wait'), rule, readDuration(lock.wait), 0),
            veto: compilePrincipals(lock.veto, at('time-lock', 'veto'), false, found),
          },
    review_percent: found.take(at('review'), rule, readReview(tier.review), 0),
  };
};

/** Tiers ascend from score 0, each under a name of its own; `emergency` is how a change names the emergency gate. */
export const checkTierNames = (tiers: readonly TierDocument[], found: DocumentFindings): void => {
  const wrong = (path: DocumentPath, message: string, help: string): void =>
    found.add(path, { code: 'policy-document-malformed', rule: 'P2', message, help });
  const names = tiers.map((tier) => tier.name);
  tiers.forEach((tier, at) => {
    const before = tiers[at - 1]?.['from-score'];
    if (before === undefined && tier['from-score'] !== 0)
      wrong(['tiers', at, 'from-score'], 'the first tier must begin at score 0', 'write `from-score: 0`');
    if (before !== undefined && tier['from-score'] <= before)
      wrong(
        ['tiers', at, 'from-score'],
        `tier \`${tier.name}\` must begin at a higher score than the tier before it`,
        `write more than ${before}, or move the tier`,
      );
    if (names.indexOf(tier.name) < at)
      wrong(['tiers', at, 'name'], `there are two tiers named \`${tier.name}\``, 'give each tier its own name');
    if (tier.name === 'emergency')
      wrong(
        ['tiers', at, 'name'],
        'a tier cannot be named `emergency`',
        'choose another name; `emergency:` is a section',
      );
  });
};

/** A floor has to name one of the tiers. */
export const checkFloor = (
  tier: string,
  tiers: readonly TierDocument[],
  path: DocumentPath,
  found: DocumentFindings,
): void => {
  const names = tiers.map((one) => one.name);
  if (!names.includes(tier))
    found.add(path, {
      code: 'policy-document-malformed',
      rule: 'P2',
      message: `there is no tier \`${tier}\``,
      help: didYouMean(tier, names),
    });
};
