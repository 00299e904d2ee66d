// SPDX-License-Identifier: Apache-2.0
import type { FactSource } from '../app/fact-source.ts';
import type { HeadCosigner } from '../app/head-cosigner.ts';
import type { RouteName } from '../contract/routes.ts';
import { BrokenInvariant } from '../kernel/refusal.ts';
import { instantFromMs, type Instant } from '../kernel/instant.ts';
import type { Identity, State } from '../lifecycle/state.ts';
import type { Reader } from './access.ts';
import type { DisplayNames } from './display-names.ts';
import type { LedgerSequencer, RunningLedger } from './ledger-folder.ts';
import type { Metrics } from './metrics.ts';
import type { AlertStanding } from './notices.ts';
import type { KeptProof, Papers } from './permit-papers.ts';
import type { Reply } from './reply.ts';
import type { RequestOrder } from './request-order.ts';
import type { Sessions } from './sessions.ts';
import type { TokenList } from './tokens.ts';

/** What every handler works with. */
export type ServerContext = {
  readonly ledger: RunningLedger;
  readonly sequencer: LedgerSequencer;
  /** The newest head with its heartbeat and what witnesses said of it. */
  readonly heads: HeadCosigner;
  readonly now: () => number;
  /** Address by which people and machines reach this server, without a slash at the end. */
  readonly publicUrl: () => string;
  /** Whether that address is https, so that cookies are for it alone. */
  readonly secure: boolean;
  readonly factSources: ReadonlyMap<string, FactSource>;
  readonly tokens: TokenList;
  readonly sessions: Sessions;
  readonly order: RequestOrder;
  readonly names: DisplayNames;
  readonly metrics: Metrics;
  readonly version: string;
  /** The server is on its way out. */
  readonly stopping: () => boolean;
  /** Proof that a permit was first sent with, so that it is sent unchanged until it is used. */
  readonly permitProofs: Map<string, KeptProof>;
  readonly papers: Papers;
  /** How the alert of an emergency stands. */
  readonly alertOf: (request: string) => AlertStanding;
};

/** One request, read and checked as far as its route says. */
export type Call = {
  readonly route: RouteName;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  /** Null on public and signed routes, unless somebody shows a token there all the same. */
  readonly reader: Reader | null;
  /** The secret in its cookie, for signing out; null without one. */
  readonly secret: string | null;
  /** What the route's body schema made of the body. */
  readonly body: unknown;
  /** Digest of path and body: what an idempotency key is held against. */
  readonly bodyDigest: string;
  readonly idempotencyKey: string | null;
  readonly ifNoneMatch: string | null;
  /** The answer may be compressed with gzip (RFC 9110 section 12.5.3). */
  readonly takesGzip: boolean;
};

export type Handler = (context: ServerContext, call: Call) => Reply | Promise<Reply>;

export const timeOf = (context: ServerContext): Instant => instantFromMs(context.now());

export const identityOf = (state: State): Identity => {
  if (state.identity === null) throw new BrokenInvariant('a ledger without genesis is being served');
  return state.identity;
};
