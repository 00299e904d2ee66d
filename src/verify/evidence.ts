// SPDX-License-Identifier: Apache-2.0
import type { Attachments } from '../kernel/decider.ts';
import { ok, type Result } from '../kernel/refusal.ts';
import { parseEvidenceBundle, type EvidenceBundle } from '../execute/permit-file.ts';
import type { RequestState } from '../request/request-state.ts';
import { guarded } from './history.ts';
import { examinePermit, type Examination, type OpenedPermit } from './examine.ts';
import { provePlace } from './proven-place.ts';
import { malformed, readBlobs, readEntry, replayEntry, type ReadEntry, type Replay } from './replay.ts';
import type { Limit, VerifyOptions } from './verdict.ts';

export type ExaminedEvidence = {
  readonly opened: OpenedPermit;
  readonly limits: readonly Limit[];
  readonly outcome: string;
};

/** A permit, then every later entry: each proven on its own, and each derived again in its turn. */
export const examineEvidence = (
  exam: Examination,
  bytes: string | Uint8Array,
  options: VerifyOptions,
): ExaminedEvidence | undefined => {
  const bundle = parseEvidenceBundle(bytes);
  if (!bundle.ok) return exam.fails('file', bundle);
  // What happened is looked at afterwards: that the permit has expired since says nothing.
  const opened = examinePermit(exam, ok({ file: bundle.value.permit, begun: undefined }), {
    ...options,
    now: undefined,
  });
  if (opened === undefined) return undefined;
  const later = replayLater(opened, bundle.value);
  if (!later.ok) return exam.fails('later', later);
  const request = later.value.replay.state.requests.get(opened.request.id);
  if (request === undefined) return undefined;
  exam.holds('later', { entries: bundle.value.later.length });
  const steps = new Set(later.value.steps.map((one) => one.what));
  for (const { what, index } of later.value.steps) exam.holds(what, { index });
  const limits: Limit[] = [...opened.limits];
  if (!steps.has('consumption')) limits.push({ code: 'consumption-not-in-file', values: {} });
  else if (!steps.has('result')) limits.push({ code: 'result-not-signed', values: {} });
  return { opened, limits, outcome: outcomeOf(request) };
};

type Step = { readonly what: 'consumption' | 'result' | 'review'; readonly index: number };
type Later = { readonly replay: Replay; readonly steps: readonly Step[] };

const replayLater = (opened: OpenedPermit, { later, blobs }: EvidenceBundle): Result<Later> => {
  const more = readBlobs(blobs);
  if (!more.ok) return more;
  const all: Attachments = new Map([...opened.blobs, ...more.value]);
  const roots = new Map([[opened.proven.checkpoint.size, opened.proven.checkpoint.root]]);
  const steps: Step[] = [];
  let { replay } = opened;
  for (const { entry, proof } of later) {
    const one = readEntry(entry);
    if (!one.ok) return one;
    const proven = provePlace(proof, one.value.leaf, replay.log);
    if (!proven.ok) return proven;
    const { size, root } = proven.value.checkpoint;
    if (proven.value.index !== one.value.index || (roots.get(size) ?? root) !== root)
      return malformed(`the proof of entry ${one.value.index} is for another index, or for another history`);
    roots.set(size, root);
    const next = guarded(() => replayEntry(replay, one.value, all, opened.request.id));
    if (!next.ok) return next;
    const what = stepOf(one.value, replay, next.value, opened.request.id);
    if (what !== undefined) steps.push({ what, index: one.value.index });
    replay = next.value;
  }
  return ok({ replay, steps });
};

// What an entry did, not what it asked for: a consumption that was refused used nothing.
const stepOf = ({ command }: ReadEntry, before: Replay, after: Replay, id: string): Step['what'] | undefined => {
  const [from, to] = [before.state.requests.get(id)?.status, after.state.requests.get(id)?.status];
  if (command.type === 'ConsumePermit' && from !== 'consumed' && to === 'consumed') return 'consumption';
  if (command.type === 'RecordResult' && from === 'consumed' && to === 'finished') return 'result';
  if (command.type === 'CloseReview' && before.state.debts.has(id) && !after.state.debts.has(id)) return 'review';
  return undefined;
};

const outcomeOf = ({ status, endedBy }: RequestState): string =>
  status === 'finished' ? (endedBy ?? 'unknown') : status;
