// SPDX-License-Identifier: Apache-2.0

/** How often a property is tried: a few times in `npm test`, FAST_CHECK_RUNS times in the long run. */
export const propertyRuns = (few: number): { readonly numRuns: number } => ({
  numRuns: Math.max(few, Number(process.env['FAST_CHECK_RUNS'] ?? 0)),
});
