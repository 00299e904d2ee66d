// SPDX-License-Identifier: Apache-2.0
/** One thing that was looked at: how it stands, in plain words, and what to do when it is not well. */
export type Finding = {
  readonly check: string;
  readonly state: 'ok' | 'warn' | 'fail';
  readonly text: string;
  readonly help?: string;
};

export const well = (check: string, text: string): Finding => ({ check, state: 'ok', text });
export const doubtful = (check: string, text: string, help: string): Finding => ({ check, state: 'warn', text, help });
export const wrong = (check: string, text: string, help?: string): Finding =>
  help === undefined ? { check, state: 'fail', text } : { check, state: 'fail', text, help };
