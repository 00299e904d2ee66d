// SPDX-License-Identifier: Apache-2.0
import { BrokenInvariant } from '../kernel/refusal.ts';

/** One vote as the search sees it: who cast it, which seats it may fill, whether it was signed apart from our pages. */
export type Candidate = {
  readonly index: number;
  readonly person: string;
  readonly seats: ReadonlySet<string>;
  readonly independent: boolean;
};
export type SearchProblem = {
  /** Seat names, one for each person wanted, in the order of the gate. */
  readonly positions: readonly string[];
  readonly candidates: readonly Candidate[];
  /** Whether two persons may not both fill seats of this gate. */
  readonly conflict: (a: string, b: string) => boolean;
  readonly independentWanted: number;
};
export type SearchResult =
  | { readonly kind: 'met'; readonly chosen: readonly Candidate[] }
  | { readonly kind: 'pending'; readonly best: readonly (Candidate | null)[] }
  | { readonly kind: 'exhausted' };

export const maxSeats = 12;
export const maxVotes = 64;
const maxSteps = 200_000;

/**
 * Finds one distinct person for every seat, or shows that there is none (SPEC V6, INV1). Mutual independence makes
 * this more than bipartite matching, so it is a full search: seats in gate order, votes by smallest index, so that
 * everybody who searches finds the same answer; a conflict is a bit, and a branch ends as soon as an open seat has
 * no vote left. A search that runs out of steps is not a met gate.
 */
export const searchSeats = (problem: SearchProblem): SearchResult => {
  const { positions, candidates } = problem;
  if (positions.length === 0 || positions.length > maxSeats || candidates.length > maxVotes)
    throw new BrokenInvariant(`seat search over ${positions.length} seats and ${candidates.length} votes`);
  const clashes = candidates.map((a) => clashMask(problem, a));
  const fits = positions.map((seat) => mask(candidates, (candidate) => candidate.seats.has(seat)));
  const independent = mask(candidates, (candidate) => candidate.independent);
  const chosen: number[] = [];
  let best: readonly number[] = [];
  let steps = 0;

  const descend = (open: bigint, independentLeft: number): boolean => {
    steps += 1;
    if (chosen.length > best.length) best = [...chosen];
    const at = chosen.length;
    if (at === positions.length) return independentLeft <= 0;
    if (steps > maxSteps || independentLeft > positions.length - at) return false;
    for (let seat = at; seat < positions.length; seat += 1) if (((fits[seat] ?? 0n) & open) === 0n) return false;
    for (let vote = 0; vote < candidates.length; vote += 1) {
      const bit = 1n << BigInt(vote);
      if (((fits[at] ?? 0n) & open & bit) === 0n) continue;
      chosen.push(vote);
      if (descend(open & ~(clashes[vote] ?? 0n), independentLeft - ((independent & bit) === 0n ? 0 : 1))) return true;
      chosen.pop();
    }
    return false;
  };

  const met = descend((1n << BigInt(candidates.length)) - 1n, problem.independentWanted);
  const pick = (at: number | undefined): Candidate | null => (at === undefined ? null : (candidates[at] ?? null));
  if (met) return { kind: 'met', chosen: chosen.map((at) => candidates[at] as Candidate) };
  if (steps > maxSteps) return { kind: 'exhausted' };
  return { kind: 'pending', best: bestPartial(problem, clashes, fits, best).map(pick) };
};

const mask = (candidates: readonly Candidate[], holds: (candidate: Candidate) => boolean): bigint =>
  candidates.reduce((bits, candidate, at) => (holds(candidate) ? bits | (1n << BigInt(at)) : bits), 0n);

// A person clashes with every vote of the same person, this very one included, and with whoever is not independent.
const clashMask = (problem: SearchProblem, a: Candidate): bigint =>
  mask(problem.candidates, (b) => a.person === b.person || problem.conflict(a.person, b.person));

// For display only: what a reader may count as filled so far, seat by seat.
const bestPartial = (
  { positions }: SearchProblem,
  clashes: readonly bigint[],
  fits: readonly bigint[],
  deepest: readonly number[],
): readonly (number | undefined)[] => {
  let taken = 0n;
  const used = new Set<number>();
  return positions.map((_, at) => {
    const preferred = deepest[at];
    const options = preferred === undefined ? clashes.map((_clash, vote) => vote) : [preferred];
    const found = options.find(
      (vote) =>
        !used.has(vote) && ((fits[at] ?? 0n) & (1n << BigInt(vote))) !== 0n && (taken & (1n << BigInt(vote))) === 0n,
    );
    if (found === undefined) return undefined;
    used.add(found);
    taken |= clashes[found] ?? 0n;
    return found;
  });
};
