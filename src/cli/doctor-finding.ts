// SPDX-License-Identifier: Apache-2.0
/** One thing that was looked at: how it stands, in plain words, and what to do when it is not well. */
export type Finding = {
  readonly check: string;
  readonly state: 'ok' | 'warn' | 'fail';
  readonly text: string;
  readonly help?: string;
  readonly unseen?: true;
};

export const well = (check: string, text: string): Finding => ({ check, state: 'ok', text });
/** Something was not looked at, so that "nothing is broken" is more than anybody can say. */
export const unseen = (check: string, text: string, help: string): Finding => ({
  ...doubtful(check, text, help),
  unseen: true,
});
export const doubtful = (check: string, text: string, help: string): Finding => ({ check, state: 'warn', text, help });
export const wrong = (check: string, text: string, help?: string): Finding =>
  help === undefined ? { check, state: 'fail', text } : { check, state: 'fail', text, help };

/** Alerts that reached nobody: of an emergency, or of a damaged ledger (SPEC M1). */
export const alertsFinding = (count: number): Finding =>
  wrong(
    'notices',
    `${count} alert${count === 1 ? '' : 's'} that no channel has taken`,
    'tell people yourself, then mend the channels in countersign.yaml: the log says why they failed',
  );
