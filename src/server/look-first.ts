// SPDX-License-Identifier: Apache-2.0
import type { RouteName } from '../contract/routes.ts';
import { refuse, type Refused } from '../kernel/refusal.ts';
import type { Reply } from './reply.ts';
import type { ServerContext } from './server-context.ts';

// These say nothing of the ledger.
const withoutLook: ReadonlySet<RouteName> = new Set([
  'live',
  'ready',
  'version',
  'metrics',
  'openapi',
  'docs',
  'challenge',
  'signInPage',
  'signOut',
] satisfies readonly RouteName[]);

const lookWithinMs = 1000;
/** A store that has been silent for so long is no help to clients: others may reach it. */
export const silentTooLongMs = 10_000;

/**
 * Before it answers, a server that shares its store asks how far that is, so that nobody who was answered by one server
 * is told less by another (SPEC L17). False when the store does not say so in time: then it answers by what it knows.
 */
export const lookFirst = async (
  { ledger, sequencer }: Pick<ServerContext, 'ledger' | 'sequencer'>,
  name: RouteName,
): Promise<boolean> => {
  if (ledger.store.shared !== true || withoutLook.has(name)) return true;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), lookWithinMs);
  });
  const known = await Promise.race([sequencer.look(), late]);
  clearTimeout(timer);
  return known;
};

const unknowns: ReadonlySet<string> = new Set(['entry-unknown', 'tile-unknown', 'request-unknown', 'key-unknown']);

/** Whether the refusal may only be because this server is behind: whoever saw the thing elsewhere would take it for a lie. */
export const mayBeBehind = ({ code }: Reply): boolean => code !== undefined && unknowns.has(code);

export const refuseBehind = (): Refused =>
  refuse(
    'ledger-unavailable',
    'L17',
    'this server cannot find out how far the ledger is, and does not know what was asked for',
    {},
    'try again in a moment, or at another server of this ledger',
  );
