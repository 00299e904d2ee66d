// SPDX-License-Identifier: Apache-2.0
import type { JsonObject } from '../kernel/refusal.ts';
import type { Fork } from '../ledger/fork-proof.ts';

/** What a proof of a fork says, for a terminal. Origin and roots were read strictly, so that nothing in them moves a cursor. */
export const formatFork = ({ origin, first, second, otherRoot }: Fork): string => {
  const where =
    first.size === second.size ? 'in the other checkpoint' : `in the history of its checkpoint of size ${second.size}`;
  return `${[
    `FORK PROVEN  the key of ${origin} signed two histories`,
    '',
    `  root at size ${first.size}, in one checkpoint:`,
    `    ${first.root}`,
    `  root at size ${first.size}, ${where}:`,
    `    ${otherRoot}`,
    '',
    "Whoever holds the log's key has shown different people different ledgers, or has written it anew. Nobody else can have",
    'made this file. Sign nothing more there, keep it, and show it to the founders of the ledger.',
  ].join('\n')}\n`;
};

export const forkAsJson = ({ origin, first, second, otherRoot }: Fork): JsonObject => ({
  result: 'FORK',
  origin,
  first: { size: first.size, root: first.root },
  second: { size: second.size, root: second.root },
  other_root: otherRoot,
});
