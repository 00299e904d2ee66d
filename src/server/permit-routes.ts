// SPDX-License-Identifier: Apache-2.0
import type { PermitAnswer, Receipt } from '../contract/api.ts';
import { BrokenInvariant, refuse } from '../kernel/refusal.ts';
import type { Command } from '../lifecycle/command.ts';
import { due } from '../lifecycle/settle.ts';
import type { RequestState } from '../request/request-state.ts';
import { formatPermitFile } from '../verify/collect.ts';
import { acceptedReply, submitCommand } from './answer-command.ts';
import { partsFor, proofNow, type KeptProof } from './permit-papers.ts';
import { json, problemReply, type Reply } from './reply.ts';
import { identityOf, timeOf, type Call, type Handler, type ServerContext } from './server-context.ts';

const readerName = (call: Call): string => call.reader?.name ?? 'reader';

/** Proofs kept so that a permit is sent unchanged; the oldest goes first, and is made again when it is asked for. */
const maxProofs = 10_000;

/**
 * `POST /v1/requests/{id}/permit`: issued once, then sent again unchanged until it is used or ends, save for what
 * witnesses have cosigned by then.
 */
export const permit: Handler = async (context, call) => {
  const id = call.params['id'] ?? '';
  const request = context.sequencer.state().requests.get(id);
  if (request?.status === 'permitted' && !somethingDue(context, request)) return sendPermit(context, request, null);
  if (request?.status === 'consumed' && request.permit !== null)
    return problemReply(
      refuse(
        'permit-used',
        'X2',
        `permit \`${request.permit.permit}\` was used already`,
        { permit: request.permit.permit },
        'a permit is used once; ask again',
      ).refusal,
    );
  const command: Command = { type: 'IssuePermit', request: id, attachments: [] };
  const recorded = await submitCommand(context, call, readerName(call), command);
  const now = context.sequencer.state().requests.get(id);
  if (recorded.ok && now !== undefined) return sendPermit(context, now, recorded.receipt);
  if (recorded.ok) throw new BrokenInvariant('a permit was issued for no request');
  // Two asked at the same time: both get the one permit.
  return now?.status === 'permitted' && recorded.reply.code === 'permit-issued'
    ? sendPermit(context, now, null)
    : recorded.reply;
};

// Whether time or policy have ended it, written down or not (SPEC Q7).
const somethingDue = (context: ServerContext, request: RequestState): boolean => {
  const state = context.sequencer.state();
  const moment = { index: state.edge.size, time: timeOf(context) };
  return due({ state, identity: identityOf(state), moment }, request).length > 0;
};

const sendPermit = async (context: ServerContext, request: RequestState, receipt: Receipt | null): Promise<Reply> => {
  const issued = request.permit;
  if (issued === null) throw new BrokenInvariant(`request \`${request.id}\` is permitted without a permit`);
  const file = formatPermitFile(await partsFor(context, request.id, await keptProof(context, request, issued.permit)));
  if (!file.ok) return problemReply(file.refusal);
  const answer: PermitAnswer = { permit: issued.permit, expires_at: issued.expires_at, file: file.value, receipt };
  return json(answer);
};

// Under the checkpoint that the permit was first sent with, so that it is sent unchanged.
const keptProof = async (context: ServerContext, request: RequestState, permitId: string): Promise<KeptProof> => {
  const { permitProofs, papers } = context;
  const known = permitProofs.get(permitId);
  if (known !== undefined) return known;
  let issuedAt: number | undefined;
  for (const index of request.entries.toReversed())
    if ((await papers.entry(index)).includes('"type":"PermitIssued"')) issuedAt ??= index;
  if (issuedAt === undefined) throw new BrokenInvariant(`permit \`${permitId}\` has no entry`);
  const proof = await proofNow(context, issuedAt);
  // Somebody else may have asked in the meantime: both get the one that was kept first.
  const first = permitProofs.get(permitId);
  if (first !== undefined) return first;
  if (permitProofs.size >= maxProofs) permitProofs.delete(permitProofs.keys().next().value ?? '');
  permitProofs.set(permitId, proof);
  return proof;
};

/** `POST /v1/requests/{id}/activate`: the ledger applies what was approved. Its content is stored already. */
export const activate: Handler = async (context, call) => {
  const id = call.params['id'] ?? '';
  const content = context.sequencer.state().requests.get(id)?.change.content ?? null;
  const command: Command = {
    type: 'ActivateChange',
    request: id,
    attachments: content === null ? [] : [content],
  };
  const recorded = await submitCommand(context, call, readerName(call), command);
  return recorded.ok ? acceptedReply(context, id, recorded) : recorded.reply;
};
