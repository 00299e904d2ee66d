// SPDX-License-Identifier: Apache-2.0
import type { RouteName } from '../contract/routes.ts';
import { caseFile, evidence } from './case-routes.ts';
import { challenge, consume, openSession, result, review, veto, vote, withdraw } from './decide-routes.ts';
import { inbox, requestPage, signIn, signInPage, signOut } from './html-routes.ts';
import { bundle, tile } from './tile-routes.ts';
import { blob, checkpoint, consistency, entries, entry, ledgerInfo, policy, roster } from './ledger-routes.ts';
import { activate, permit } from './permit-routes.ts';
import { docs, live, metrics, openapi, ready, version } from './public-routes.ts';
import { listRequests, showRequest, statement } from './request-routes.ts';
import type { Handler } from './server-context.ts';
import { submitRequest } from './submit-request.ts';

/** One handler for every route of the contract, and none beside (C7). */
export const handlers: { readonly [name in RouteName]: Handler } = {
  challenge,
  openSession,
  ledgerInfo,
  roster,
  policy,
  submitRequest,
  listRequests,
  showRequest,
  statement,
  caseFile,
  evidence,
  vote,
  withdraw,
  veto,
  review,
  permit,
  activate,
  consume,
  result,
  entry,
  entries,
  consistency,
  blob,
  bundle,
  tile,
  checkpoint,
  inbox,
  page: requestPage,
  signInPage,
  signIn,
  signOut,
  openapi,
  docs,
  metrics,
  live,
  ready,
  version,
};
