// SPDX-License-Identifier: Apache-2.0

/** One measurement beside its peer or raw limit, from the same run. `ratio` is such that more is better. */
export type BenchLine = {
  readonly bench: string;
  readonly ours: number;
  readonly unit: string;
  /** What it was measured against, in words. */
  readonly against: string;
  readonly theirs: number;
  readonly ratio: number;
};

const round = (value: number): number => Number(value.toPrecision(4));

/** A line where larger figures are better. */
export const moreIsBetter = (
  bench: string,
  unit: string,
  ours: number,
  against: string,
  theirs: number,
): BenchLine => ({
  bench,
  ours: round(ours),
  unit,
  against,
  theirs: round(theirs),
  ratio: round(ours / theirs),
});

/** A line where smaller figures are better, such as a time. */
export const lessIsBetter = (
  bench: string,
  unit: string,
  ours: number,
  against: string,
  theirs: number,
): BenchLine => ({
  ...moreIsBetter(bench, unit, ours, against, theirs),
  ratio: round(theirs / ours),
});
