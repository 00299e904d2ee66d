// SPDX-License-Identifier: Apache-2.0
import type { RequestView } from '../contract/api.ts';
import type { Client } from '../client/connect.ts';
import { eventOf, type CheckedReceipt } from '../client/receipt.ts';
import { fetchPermit, sendStatement } from '../client/requests.ts';
import type { Signer } from '../client/signer.ts';
import { consumptionStatementOf, now, resultStatementOf } from '../client/statements.ts';
import { openVerifiedCase } from '../client/verified-case.ts';
import { parsePermitFile } from '../execute/permit-file.ts';
import { ok, refuse, type Result } from '../kernel/refusal.ts';
import { parseTlogProof } from '../ledger/tlog-proof.ts';
import type { Permit } from '../request/request-state.ts';
import type { Expectations, Verdict } from '../verify/verdict.ts';
import { verifyPermit } from '../verify/verify.ts';

/** How a request stands for whoever waits for its permit. */
export type Standing =
  | { readonly kind: 'waiting'; readonly view: RequestView }
  | { readonly kind: 'ready'; readonly view: RequestView }
  | { readonly kind: 'used'; readonly view: RequestView }
  | { readonly kind: 'denied'; readonly view: RequestView };

export const standingOf = (view: RequestView): Standing => {
  const { status, locked_until } = view;
  if (status === 'pending') return { kind: 'waiting', view };
  if (status === 'met')
    return { kind: locked_until !== null && locked_until > new Date().toISOString() ? 'waiting' : 'ready', view };
  if (status === 'permitted') return { kind: 'ready', view };
  // A permit is used once; whatever was approved before is no approval now (C11, T12).
  if (status === 'consumed' || status === 'finished') return { kind: 'used', view };
  return { kind: 'denied', view };
};

/** Why nothing will come of it any more, as a refusal with the exit code of a "no". */
export const deniedBy = ({ request, status, ended_by }: RequestView) => {
  const by = ended_by === null ? '' : ` (${ended_by})`;
  const code =
    status === 'vetoed'
      ? 'request-vetoed'
      : status === 'withdrawn'
        ? 'request-withdrawn'
        : status === 'expired'
          ? 'request-expired'
          : 'request-refused';
  return refuse(
    code,
    'Q9',
    `request \`${request}\` is ${status}${by}`,
    { status },
    'what is over stays over; ask again',
  );
};

export type PermitOptions = { readonly expect: Expectations; readonly minPersons: number | undefined };
export type HeldPermit = { readonly permit: Permit; readonly file: string; readonly verdict: Verdict };

/**
 * Fetches the permit and verifies it here: from this machine's own pin, its own floor of persons and its own clock,
 * and that it is for exactly what is about to be done (SPEC X1, W2).
 */
export const obtainPermit = async (
  client: Client,
  id: string,
  { expect, minPersons }: PermitOptions,
): Promise<Result<HeldPermit>> => {
  const opened = await openVerifiedCase(client, id);
  if (!opened.ok) return opened;
  const answer = await fetchPermit(client, id);
  if (!answer.ok) return answer;
  const continued = await acceptHistory(client, answer.value.file);
  if (!continued.ok) return continued;
  const verdict = verifyPermit(answer.value.file, {
    pin: client.anchor.pin,
    allowTrial: client.allowTrial,
    acceptV0: client.acceptV0,
    ...(minPersons === undefined ? {} : { minPersons }),
    now: now(),
    expect,
    knownGovernance: opened.value.governance,
  });
  const { permit, reasons } = verdict;
  if (permit === null || verdict.result !== 'PASS') {
    const [first] = reasons;
    return first === undefined
      ? refuse('permit-void', 'X1', 'the permit does not verify', {}, 'ask again, and tell the founders')
      : { ok: false, refusal: first };
  }
  return permit.request === id && permit.change === opened.value.digest
    ? ok({ permit, file: answer.value.file, verdict })
    : refuse(
        'permit-wrong-change',
        'X2',
        `the permit is for change \`${permit.change}\` of \`${permit.request}\`, not for \`${opened.value.digest}\``,
        { request: permit.request },
        'use nothing of it; tell the founders',
      );
};

// A genuine permit out of another history than the one seen here is none (T5, T13).
const acceptHistory = async (client: Client, file: string): Promise<Result<unknown>> => {
  const parsed = parsePermitFile(file);
  if (!parsed.ok) return parsed;
  const proof = parseTlogProof(parsed.value.proof);
  return proof.ok ? client.accept(proof.value.checkpoint) : proof;
};

/**
 * Uses a permit up, before anything happens (C25). It counts only with the ledger's own proof that this very
 * statement, with this very challenge, is what used it.
 */
export const consumePermit = async (
  client: Client,
  executor: Signer,
  permit: Permit,
  challenge: string,
): Promise<Result<CheckedReceipt>> => {
  const statement = consumptionStatementOf(client.anchor, permit.executor.principal, {
    permit: permit.permit,
    change: permit.change,
    audience: permit.audience,
    challenge,
  });
  const sent = await sendStatement(client, executor, statement, {
    path: `/v1/permits/${permit.permit}/consume`,
    event: ['PermitConsumed'],
  });
  if (!sent.ok) return sent;
  const consumed = eventOf(sent.value.receipt.entry, 'PermitConsumed');
  if (consumed?.['permit'] === permit.permit && consumed['challenge'] === challenge && consumed['late'] === false)
    return ok(sent.value.receipt);
  return refuse(
    'receipt-invalid',
    'W4',
    'the entry that the server shows does not use this permit with this challenge',
    { permit: permit.permit },
    'run nothing; tell the founders',
  );
};

export type RunResult = {
  readonly outcome: 'succeeded' | 'failed' | 'unknown';
  readonly exit_code: number | null;
  readonly output: string | null;
};

/** Reports what came of it, signed by the executor (SPEC X5). */
export const reportResult = async (
  client: Client,
  executor: Signer,
  used: { readonly permit: string; readonly principal: string },
  result: RunResult,
) =>
  sendStatement(
    client,
    executor,
    resultStatementOf(client.anchor, used.principal, { permit: used.permit, ...result }),
    {
      path: `/v1/executions/${used.permit}/result`,
      event: ['ResultRecorded'],
    },
  );
