// SPDX-License-Identifier: Apache-2.0
import type { Accepted, Receipt } from '../contract/api.ts';
import { evaluateGate } from '../approve/evaluate-gate.ts';
import type { Submission } from '../app/sequencer-intake.ts';
import type { Opening } from '../ledger/store.ts';
import { digestOf } from '../crypto/digest.ts';
import { canonicalize } from '../kernel/canonical-json.ts';
import { BrokenInvariant, ok, refuse, type Result } from '../kernel/refusal.ts';
import type { Command } from '../lifecycle/command.ts';
import type { LifecycleEvent } from '../lifecycle/event.ts';
import { json, problemReply, type Reply } from './reply.ts';
import { timeOf, type Call, type ServerContext } from './server-context.ts';

/** A command that stands in the ledger now. */
export type Recorded = {
  readonly ok: true;
  readonly index: number;
  readonly events: readonly LifecycleEvent[];
  readonly receipt: Receipt;
};

/**
 * Hands a command to the sequencer and waits until it is durable. `principal` is whoever's key signed it, or the
 * reader that asked: idempotency keys are kept for each of them apart.
 */
export const submitCommand = async (
  context: ServerContext,
  call: Call,
  principal: string,
  command: Command,
  submission: Submission = {},
): Promise<Recorded | { readonly ok: false; readonly reply: Reply }> => {
  const { sequencer, metrics, papers } = context;
  const started = performance.now();
  const { decision, index, entry } = await sequencer.submit(command, {
    ...submission,
    ...(call.idempotencyKey === null
      ? {}
      : {
          idempotency: {
            principal,
            route: call.route,
            key: call.idempotencyKey,
            bodyDigest: call.bodyDigest,
          },
        }),
  });
  const refused = decision.kind === 'refused';
  metrics.command(command.type, refused ? decision.refusal.code : 'accepted', (performance.now() - started) / 1000);
  if (refused) return { ok: false, reply: problemReply(decision.refusal, index) };
  if (index === null || entry === null) throw new BrokenInvariant('an accepted command without an entry');
  papers.note(index, entry);
  return { ok: true, index, events: decision.events, receipt: receiptOf(context, index, entry) };
};

const receiptOf = ({ sequencer }: ServerContext, index: number, entry: string): Receipt => {
  const proof = sequencer.tree.receipt(index);
  if (!proof.ok) throw new BrokenInvariant(`entry ${index} was answered before it was signed`);
  return { index, entry, proof: proof.value };
};

const statusIn = ({ sequencer }: ServerContext, request: string): string =>
  sequencer.state().requests.get(request)?.status ?? 'unknown';

/** The usual answer: which request, how it stands now, and the proof that the command is in the ledger. */
export const acceptedReply = (context: ServerContext, request: string, { receipt }: Recorded): Reply => {
  const answer: Accepted = { request, status: statusIn(context, request), receipt };
  return json(answer);
};

/** Of a vote, how far the gate is as well: a vote can stand in the ledger and fill no seat. */
export const votedReply = (context: ServerContext, request: string, { receipt, events }: Recorded): Reply => {
  const { requests, roster } = context.sequencer.state();
  const voted = requests.get(request);
  if (voted === undefined) throw new BrokenInvariant('a vote was accepted for no request');
  const { change, votes, status } = voted;
  const met = events.find((event) => event.type === 'GateMet');
  const { filled, open } =
    met === undefined
      ? evaluateGate({ roster, change, votes, time: timeOf(context) })
      : { filled: met.seats, open: [] };
  const answer: Accepted = {
    request,
    status,
    seats_filled: filled.length,
    seats_wanted: filled.length + open.length,
    receipt,
  };
  return json(answer, 201);
};

/** A text under the commitment that was signed for it. Refuses one that was not signed for. */
export const openingsOf = (
  opening: Opening | undefined,
  commitment: string | null,
): Result<ReadonlyMap<string, Opening>> => {
  if (opening === undefined) return ok(new Map());
  const { salt, text } = opening;
  const actual = digestOf(canonicalize({ salt, text }));
  if (actual === commitment) return ok(new Map([[actual, { salt, text }]]));
  return refuse(
    'attachment-mismatch',
    'L7',
    `the text has commitment \`${actual}\`, the statement names \`${commitment ?? 'none'}\``,
    { named: commitment, actual },
    'send the salt and the text that were committed to',
  );
};
