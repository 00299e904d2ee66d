// SPDX-License-Identifier: Apache-2.0
import { formatCaseFile, formatEvidence } from '../verify/collect.ts';
import { partsFor } from './permit-papers.ts';
import { problemReply, type Reply } from './reply.ts';
import { requestIn } from './request-routes.ts';
import type { Handler } from './server-context.ts';

const file = (body: string): Reply => ({ status: 200, type: 'application/json', body });

/** `GET /v1/requests/{id}/case`: what a voter needs to build the change again from their own pin (FORMATS §6.3). */
export const caseFile: Handler = async (context, call) => {
  const found = requestIn(context, call);
  if (!found.ok) return problemReply(found.refusal);
  const body = formatCaseFile(await partsFor(context, found.value.id));
  return body.ok ? file(body.value) : problemReply(body.refusal);
};

/** `GET /v1/requests/{id}/evidence`: the permit and what became of it, for a stranger (FORMATS §6.2). */
export const evidence: Handler = async (context, call) => {
  const found = requestIn(context, call);
  if (!found.ok) return problemReply(found.refusal);
  const body = formatEvidence(await partsFor(context, found.value.id));
  return body.ok ? file(body.value) : problemReply(body.refusal);
};
