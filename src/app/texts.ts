// SPDX-License-Identifier: Apache-2.0
import { digestOf } from '../crypto/digest.ts';
import { canonicalize } from '../kernel/canonical-json.ts';
import { ok, refuse, type JsonObject, type Refused, type Result } from '../kernel/refusal.ts';
import { parseEntry } from '../ledger/entry.ts';
import { heldFailure, type Erasure, type LedgerStore, type Occasion, type StoredOpening } from '../ledger/store.ts';

/** Finds the text that a command commits to, and its request: the one thing here that knows statements. */
export type NamesText = (
  command: JsonObject,
) => { readonly commitment: string; readonly request: string | null } | undefined;

/** Texts of a ledger that is copied, in pages, each after a commitment. */
export type TextSupply = {
  readonly openings: (after: string, limit: number) => Promise<readonly StoredOpening[]>;
  readonly erasures: (after: string, limit: number) => Promise<readonly Erasure[]>;
};

/** The ledger whose texts it is about. */
export type TextTarget = { readonly store: LedgerStore; readonly tenant: string; readonly namesText: NamesText };

/**
 * Commitments by what became of them: erased now, erased before, without a text that was ever kept, or left since the
 * text is named by another request as well.
 */
export type Erased = {
  readonly erased: readonly string[];
  readonly before: readonly string[];
  readonly never: readonly string[];
  readonly shared: readonly string[];
};

const pageSize = 256;
const commitmentForm = /^sha256:[0-9a-f]{64}$/;
const requestForm = /^req_[0-9a-z]{26}$/;

/** Every commitment that the entries name, with the requests it belongs to. */
const namedIn = async ({ store, tenant, namesText }: TextTarget): Promise<ReadonlyMap<string, ReadonlySet<string>>> => {
  const named = new Map<string, Set<string>>();
  for (let from = 0; ; from += pageSize) {
    const page = await store.entries(tenant, from, from + pageSize);
    for (const { bytes } of page) {
      const entry = parseEntry(bytes);
      const text = entry.ok ? namesText(entry.value.command) : undefined;
      if (text === undefined) continue;
      const requests = named.get(text.commitment) ?? new Set();
      if (text.request !== null) requests.add(text.request);
      named.set(text.commitment, requests);
    }
    if (page.length < pageSize) return named;
    // A server answers others meanwhile.
    await new Promise((resolve) => setImmediate(resolve));
  }
};

const unknown = (what: string, help: string): Refused =>
  refuse('text-unknown', 'L31', `no text of this ledger has the name \`${what.slice(0, 80)}\``, {}, help);

const checkWhy = (why: string): Refused | undefined =>
  why.trim() !== '' && why.length <= 500 && !/[\p{Cc}]/u.test(why) && why.isWellFormed()
    ? undefined
    : refuse('shape-mismatch', 'K5', '`why` is no reason', { field: 'why' }, 'write one line of up to 500 characters');

const targetsOf = async (
  target: TextTarget,
  what: string,
): Promise<Result<ReadonlyMap<string, ReadonlySet<string>>>> => {
  if (!commitmentForm.test(what) && !requestForm.test(what))
    return unknown(what, 'give the id of a request (`req_…`) or a commitment (`sha256:…`)');
  const named = [...(await namedIn(target))].filter(
    ([commitment, requests]) => commitment === what || requests.has(what),
  );
  return named.length > 0
    ? ok(new Map(named))
    : unknown(what, 'look at `countersign show ID`; texts are reasons, comments and summaries');
};

/**
 * Erases a text, or all texts of a request, for good (SPEC L31). What was signed holds only their commitments and stays
 * as it is; when and why they were erased is kept. Nothing is erased when a hold covers any of them.
 */
export const eraseTexts = async (target: TextTarget, what: string, occasion: Occasion): Promise<Result<Erased>> => {
  const { store, tenant } = target;
  const wrong = checkWhy(occasion.why);
  if (wrong !== undefined) return wrong;
  const targets = await targetsOf(target, what);
  if (!targets.ok) return targets;
  const standing = (await store.holds(tenant)).filter(({ lifted }) => lifted === null);
  // Everybody can name the commitment of somebody else in a request of their own: erasing that is not meant for it.
  const isShared = ([commitment, requests]: readonly [string, ReadonlySet<string>]): boolean =>
    commitment !== what && requests.size > 1;
  const [shared, own] = [[...targets.value].filter(isShared), [...targets.value].filter((one) => !isShared(one))];
  for (const [commitment, requests] of own) {
    const hold = standing.find(({ name }) => name === commitment || name === '*' || requests.has(name));
    if (hold !== undefined) return { ok: false, refusal: heldFailure(hold, commitment).refusal };
  }
  const done = {
    erased: [] as string[],
    before: [] as string[],
    never: [] as string[],
    shared: shared.map(([commitment]) => commitment),
  };
  for (const [commitment, requests] of own) {
    // The store looks at the holds once more, in the same step.
    const erased = await store.eraseOpening(tenant, { commitment, ...occasion }, [...requests]);
    const before = !erased && (await store.erasure(tenant, commitment)) !== undefined;
    done[erased ? 'erased' : before ? 'before' : 'never'].push(commitment);
  }
  return ok(done);
};

/** Puts a hold; false when one of that name stands already. */
export const holdTexts = async (target: TextTarget, what: string, occasion: Occasion): Promise<Result<boolean>> => {
  const wrong = checkWhy(occasion.why);
  if (wrong !== undefined) return wrong;
  const targets = what === '*' ? ok(null) : await targetsOf(target, what);
  return targets.ok ? ok(await target.store.putHold(target.tenant, what, occasion)) : targets;
};

/** Lifts a hold. It stays to be seen, with both reasons. */
export const liftHold = async (
  { store, tenant }: TextTarget,
  what: string,
  occasion: Occasion,
): Promise<Result<true>> => {
  const wrong = checkWhy(occasion.why);
  if (wrong !== undefined) return wrong;
  return (await store.liftHold(tenant, what, occasion))
    ? ok(true)
    : unknown(what, 'no hold of that name stands; `countersign ledger hold list` shows those that do');
};

/** What is kept for a commitment, looked at before it is shown: nobody's words are put into somebody's mouth. */
export type KeptText =
  | { readonly state: 'kept' | 'altered'; readonly salt: string; readonly text: string }
  | { readonly state: 'erased'; readonly at: string; readonly why: string }
  | { readonly state: 'none' };

export const keptText = async (store: LedgerStore, tenant: string, commitment: string): Promise<KeptText> => {
  const opening = await store.opening(tenant, commitment);
  if (opening !== undefined) {
    const holds = digestOf(canonicalize({ ...opening })) === commitment;
    return { state: holds ? 'kept' : 'altered', ...opening };
  }
  const erasure = await store.erasure(tenant, commitment);
  return erasure === undefined ? { state: 'none' } : { state: 'erased', at: erasure.at, why: erasure.why };
};
