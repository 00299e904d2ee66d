// SPDX-License-Identifier: Apache-2.0
import type { CosigningStanding } from '../app/head-cosigner.ts';
import { semantics } from '../lifecycle/lifecycle.ts';
import { page } from './html-routes.ts';
import { silentTooLongMs } from './look-first.ts';
import { openApiDocument } from './openapi.ts';
import { renderDocs } from './page-docs.ts';
import { json, text } from './reply.ts';
import type { Handler } from './server-context.ts';

let described: { readonly version: string; readonly body: string } | undefined;

export const openapi: Handler = ({ version }) => {
  if (described?.version !== version) described = { version, body: JSON.stringify(openApiDocument(version)) };
  return { status: 200, type: 'application/json', body: described.body };
};

export const docs: Handler = ({ version }) => page((nonce) => renderDocs({ nonce, version }));

export const metrics: Handler = async (context) =>
  text(await context.metrics.text(), 'text/plain; version=0.0.4; charset=utf-8');

export const live: Handler = () => text('alive\n');

/** Not ready while the ledger takes no commands; a load balancer then sends nothing here. */
export const ready: Handler = ({ sequencer, heads, ledger, stopping, now }) => {
  if (stopping()) return text('stopping\n', undefined, 503);
  const lines = heartbeatLines(heads.standing(), now());
  if (ledger.store.shared === true && sequencer.silentForMs() > silentTooLongMs)
    return text(`out of reach of the store\n${lines}`, undefined, 503);
  return sequencer.quarantine() === undefined ? text(`ready\n${lines}`) : text(`quarantined\n${lines}`, undefined, 503);
};

const heartbeatLines = (
  { heartbeatAt, withheld, quorumAt, asksForQuorum, witnesses }: CosigningStanding,
  nowMs: number,
): string => {
  const ago = (at: number | null): string => (at === null ? 'never' : `${Math.round(nowMs / 1000 - at)} s ago`);
  const lines = [`heartbeat: ${ago(heartbeatAt)}${withheld === null ? '' : `, withheld: ${withheld.code}`}`];
  if (asksForQuorum) lines.push(`quorum: ${ago(quorumAt)}`);
  for (const { name, cosignedAt, refusal } of witnesses)
    lines.push(`witness ${name}: ${ago(cosignedAt)}${refusal === null ? '' : `, ${refusal.code}`}`);
  return lines.map((line) => `${line}\n`).join('');
};

export const version: Handler = (context) => json({ name: 'countersign', version: context.version, semantics });
