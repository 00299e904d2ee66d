// SPDX-License-Identifier: Apache-2.0

export type SeatQuestion = {
  /** For every seat, one entry for each person wanted: who could fill it. */
  readonly positions: readonly (readonly string[])[];
  /** Whether two persons may not sit at the same gate. */
  readonly conflict: (a: string, b: string) => boolean;
  /** Shared by all questions about one gate, so that many askers and executors cost no more than one. */
  readonly work?: Work;
};
/** How many comparisons of people are left. */
export type Work = { left: number };
/** `undecided` when the search ran out of steps; whoever asks takes it as `no` (INV4). */
export type SeatAnswer = 'yes' | 'no' | 'undecided';

const maxSteps = 20_000;

/**
 * Whether distinct persons without conflicts can fill every seat at once (SPEC P7). Exact: mutual independence makes
 * it more than bipartite matching, so it is a search, and matching prunes it. Scarcest seats come first.
 */
export const canFillSeats = ({ positions, conflict, work }: SeatQuestion): SeatAnswer => {
  let steps = 0;
  const descend = (open: readonly (readonly string[])[]): SeatAnswer => {
    if (open.length === 0) return 'yes';
    steps += 1;
    if (steps > maxSteps || (work !== undefined && work.left <= 0)) return 'undecided';
    if (!canMatch(open)) return 'no';
    const [scarcest = [], ...rest] = [...open].sort((a, b) => a.length - b.length);
    const twins = scarcest.join();
    const alike = rest.map((options) => options.join() === twins);
    const failed = new Set<string>();
    const compared = rest.reduce((sum, options) => sum + options.length, 1);
    for (const person of scarcest) {
      if (work !== undefined) work.left -= compared;
      const left = rest.map((options, at) =>
        options.filter((other) => other !== person && !conflict(person, other) && !(alike[at] && failed.has(other))),
      );
      const answer = descend(left);
      if (answer !== 'no') return answer;
      // Whoever fits no answer here fits none on a seat with the same people either.
      failed.add(person);
    }
    return 'no';
  };
  return descend(positions);
};

/** Whether distinct persons can fill every seat, conflicts aside: augmenting paths (Kuhn). */
const canMatch = (positions: readonly (readonly string[])[]): boolean => {
  const seatOf = new Map<string, number>();
  const seat = (at: number, tried: Set<string>): boolean => {
    for (const person of positions[at] ?? []) {
      if (tried.has(person)) continue;
      tried.add(person);
      const taken = seatOf.get(person);
      if (taken === undefined || seat(taken, tried)) {
        seatOf.set(person, at);
        return true;
      }
    }
    return false;
  };
  return positions.every((_, at) => seat(at, new Set()));
};
