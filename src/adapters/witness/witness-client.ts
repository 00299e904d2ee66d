// SPDX-License-Identifier: Apache-2.0
import { verifyCosignatures, type CosignerVerifier } from '../../crypto/cosignature.ts';
import { parseNote } from '../../crypto/signed-note.ts';
import { ok, refuse, type JsonObject, type Refused, type Result } from '../../kernel/refusal.ts';
import type { RefusalCode } from '../../kernel/refusal-codes.ts';
import type { CosignRequest, Witness } from '../../ledger/witness-port.ts';
import { formatAddCheckpoint } from '../../ledger/witness.ts';
import type { WitnessPolicy } from '../../ledger/witness-policy.ts';
import { postCheckpoint, type PostCheckpoint, type WitnessAnswer } from './post-checkpoint.ts';
import { readWitnessAddress, type WitnessAddress } from './witness-address.ts';

export type WitnessClientOptions = {
  readonly key: CosignerVerifier;
  readonly address: WitnessAddress;
  /** For one exchange, milliseconds. */
  readonly timeoutMs?: number;
};

/** What a witness said, for a log line: its own words only as far as they are plain. */
const said = (body: string): string => {
  const words = body
    .replaceAll(/[^\x20-\x7e]+/g, ' ')
    .replaceAll('`', "'")
    .trim()
    .slice(0, 160);
  return words === '' ? '' : `: \`${words}\``;
};

/** Names the witness in every refusal. */
class Refusals {
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  of(code: RefusalCode, what: string, facts: JsonObject, help: string): Refused {
    return refuse(code, 'L20', `the witness \`${this.#name}\` ${what}`, { witness: this.#name, ...facts }, help);
  }

  noAnswer(failed: string): Refused {
    return this.of('witness-unreachable', `did not answer: ${failed}`, {}, 'look at its address and ask its operator');
  }

  garbage(why: string): Refused {
    return this.of(
      'witness-answer-malformed',
      `gave an answer that is none: ${why}`,
      {},
      'look at its address and key; c2sp.org/tlog-witness says what it answers',
    );
  }

  /** A witness that has cosigned more of this log than the log shows: the log was cut, or somebody else has its key. */
  ahead(size: number, own: number): Refused {
    return this.of(
      'witness-ahead',
      `has cosigned this log at size ${size}, and it shows ${own} entries`,
      { size, own },
      'unless an older checkpoint was shown, the ledger was cut or its key is used elsewhere: stop, and find out',
    );
  }

  status(status: number, body: string): Refused {
    const meant = meanings[status];
    return this.of(
      'witness-refused',
      `${meant?.what ?? `answered with status ${status}`}${said(body)}`,
      { status },
      meant?.help ??
        (status >= 500 ? 'try again later, and ask its operator' : 'look at its address; redirects are not followed'),
    );
  }
}

const meanings: { readonly [status: number]: { readonly what: string; readonly help: string } } = {
  400: { what: 'finds the request malformed', help: 'it may follow another version of c2sp.org/tlog-witness' },
  403: { what: 'trusts no key that signed the checkpoint', help: "give its operator this log's verifier key" },
  404: {
    what: 'does not know this log, or nothing is at its address',
    help: "give its operator this log's verifier key, and look at the address",
  },
  422: {
    what: 'finds that the checkpoint does not go on from what it cosigned',
    help: 'two histories have this name: compare checkpoints with it before anything else',
  },
};

const sizeOf = ({ type, body }: { readonly type: string; readonly body: string }): number | undefined => {
  const size = Number(/^(0|[1-9]\d{0,15})\n$/.exec(body)?.[1] ?? Number.NaN);
  return /^text\/x\.tlog\.size *(;|$)/i.test(type) && Number.isSafeInteger(size) ? size : undefined;
};

/**
 * The witness's own line, after it was found to hold for the note. Lines of other keys are left aside, as the
 * specification asks, and go no further; anything that is no signature line refuses the answer.
 */
const ownLine = (note: string, body: string, key: CosignerVerifier, refusals: Refusals): Result<string> => {
  const shown = parseNote(note);
  if (!shown.ok) return shown;
  const { text } = shown.value;
  const answered = parseNote(`${text}\n${body}`);
  if (!answered.ok || answered.value.text !== text) return refusals.garbage('it is not lines of signatures');
  const lines = body.split('\n').slice(0, -1);
  const own = lines.filter((_, at) => {
    const signature = answered.value.signatures[at];
    return signature?.name === key.name && signature.id === key.id;
  });
  const [line, ...more] = own;
  if (line === undefined) return refusals.garbage('it did not sign with the key that is known here');
  if (more.length > 0) return refusals.garbage('it signed more than once with one key');
  const checked = verifyCosignatures(`${text}\n${line}\n`, [key]);
  if (!checked.ok) return refusals.garbage(checked.refusal.message);
  if (checked.value.cosignatures.length === 0) return refusals.garbage('its signature has no time');
  return ok(`${line}\n`);
};

/** One exchange: a line that holds, the size to prove consistency from, or a refusal. */
type Exchanged = { readonly line: string } | { readonly size: number } | { readonly refused: Refused };

const exchange = async (
  post: PostCheckpoint,
  request: CosignRequest,
  old: number,
  key: CosignerVerifier,
  refusals: Refusals,
): Promise<Exchanged> => {
  const proof = request.consistencyFrom(old);
  if (!proof.ok) return { refused: proof };
  const answer: WitnessAnswer = await post(
    formatAddCheckpoint({ old, proof: proof.value, note: request.note }),
    request.signal,
  );
  if ('failed' in answer) return { refused: refusals.noAnswer(answer.failed) };
  if (answer.status === 200) {
    const line = ownLine(request.note, answer.body, key, refusals);
    return line.ok ? { line: line.value } : { refused: line };
  }
  if (answer.status !== 409) return { refused: refusals.status(answer.status, answer.body) };
  const size = sizeOf(answer);
  return size === undefined || size === old
    ? {
        refused: refusals.garbage(
          size === undefined ? 'a conflict that names no size' : 'a conflict with what it says',
        ),
      }
    : { size };
};

/**
 * A witness that is asked over HTTP (SPEC L20). It begins with the empty tree, learns from the witness what it cosigned
 * last, and remembers that while the process lives.
 */
export const witnessClient = ({ key, address, timeoutMs = 10_000 }: WitnessClientOptions): Witness => {
  const post = postCheckpoint(address, timeoutMs);
  const refusals = new Refusals(key.name);
  let cosigned = 0;
  return {
    key,
    cosign: async (request) => {
      const { size } = request;
      // Not from beyond what is shown: the witness says so itself, and then it is known for certain.
      const first = await exchange(post, request, cosigned > size ? 0 : cosigned, key, refusals);
      if ('refused' in first) return first.refused;
      let last: Exchanged = first;
      if ('size' in first) {
        cosigned = first.size;
        if (first.size > size) return refusals.ahead(first.size, size);
        last = await exchange(post, request, first.size, key, refusals);
      }
      if ('refused' in last) return last.refused;
      if ('size' in last) {
        cosigned = last.size;
        return last.size > size
          ? refusals.ahead(last.size, size)
          : refusals.of('witness-refused', `is asked by somebody else too`, { size: last.size }, 'ask it again');
      }
      cosigned = size;
      return ok(last.line);
    },
  };
};

/** Clients for all witnesses of a policy; each needs an address there. */
export const witnessesOf = (
  { witnesses }: WitnessPolicy,
  options: { readonly allowNetworks?: readonly string[]; readonly timeoutMs?: number } = {},
): Result<readonly Witness[]> => {
  const clients: Witness[] = [];
  for (const { name, key, url } of witnesses) {
    if (url === undefined)
      return refuse(
        'config-malformed',
        'L20',
        `the witness \`${name.slice(0, 120)}\` has no address in the policy of witnesses`,
        { witness: key.name },
        'write its submission prefix behind its key',
      );
    const address = readWitnessAddress(url, options.allowNetworks);
    if (!address.ok) return address;
    clients.push(
      witnessClient({
        key,
        address: address.value,
        ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
      }),
    );
  }
  return ok(clients);
};
