// SPDX-License-Identifier: Apache-2.0
import type { Client } from '../client/connect.ts';
import { showRequest } from '../client/requests.ts';
import type { Signer } from '../client/signer.ts';
import { say, warn } from './output.ts';
import { unfinishedRuns, type Unfinished } from './run-journal.ts';
import { reportResult } from './use-permit.ts';

/**
 * Looks for runs that an earlier process left behind, and reports them: what it saw end, with that outcome; what it did
 * not see end, as `unknown`, which raises a finding. None of them is run again (SPEC W5).
 */
export const reportUnfinished = async (client: Client, executor: Signer): Promise<void> => {
  const { runs, unreadable } = unfinishedRuns(client.home);
  for (const folder of unreadable)
    warn(`the journal of a run cannot be read: ${folder}; look at it before you remove it`);
  for (const run of runs) {
    const { server, pin, key, permit, request } = run.record;
    if (server !== client.server || pin !== client.anchor.pin) continue;
    if (key !== executor.key.fingerprint) {
      warn(`the run of permit ${permit} (${request}) was never reported; run this with its key ${key}`);
      continue;
    }
    await reportOne(client, executor, run);
  }
};

const reportOne = async (client: Client, executor: Signer, { record, close }: Unfinished): Promise<void> => {
  const { phase, permit, request, principal, outcome, exit_code, output } = record;
  const view = await showRequest(client, request);
  if (!view.ok) {
    warn(`the run of permit ${permit} could not be looked up: ${view.refusal.message}`);
    return;
  }
  if (view.value.status !== 'consumed') {
    // Never used, or reported already. A permit that was about to be used is left to expire.
    if (phase === 'consuming' && view.value.status === 'permitted')
      warn(`permit ${permit} of an earlier run was not used, and will not be: ask again`);
    if (view.value.status !== 'permitted') close();
    return;
  }
  const known = phase === 'ended' && outcome !== null;
  const result = known
    ? { outcome, exit_code, output }
    : ({ outcome: 'unknown', exit_code: null, output: null } as const);
  const reported = await reportResult(client, executor, { permit, principal }, result);
  if (!reported.ok) {
    warn(`the run of permit ${permit} could not be reported: ${reported.refusal.message}`);
    return;
  }
  close();
  if (known) say(`An earlier run (${request}) is now reported: ${outcome}.`);
  else
    warn(
      `an earlier run (${request}) broke off after its permit was used: reported as unknown. Look at the target; it is not run again.`,
    );
};
