// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { parseOpenSshPrivateKey } from '../crypto/openssh-private-key.ts';
import { consumption, enrol, forgeVote, issue, requestIn } from './forge.ts';
import { Insider } from './insider.ts';
import type { Stage, Version } from './stage.ts';
import { DemoEnded, must } from './steps.ts';

type Open = { readonly id: string; readonly version: Version };

/**
 * With the server's files and the log key in hand, somebody tries to deploy alone. Every proof he makes holds; what he
 * has not got is the signatures of the gate's people (INV11).
 */
export const insiderChapter = async (stage: Stage, open: Open): Promise<void> => {
  const { steps, organisation, target } = stage;
  const own = must('own key', parseOpenSshPrivateKey(readFileSync(organisation.keyOf('stranger'), 'utf8')));
  const attempt = async (step: string, detail: string, forge: (insider: Insider) => void): Promise<void> => {
    const insider = await Insider.read(organisation.data);
    forge(insider);
    issue(insider, open.id);
    const answer = await bring(stage, insider, open);
    // Refused for the very key that nobody enrolled, and for nothing that was merely forged badly.
    steps.refused(step, answer, 'key-unknown', detail);
  };
  await attempt('insider-forged-votes', 'votes in the names of Grace and Linus, signed by his own key', (insider) => {
    for (const handle of ['grace', 'linus'] as const) forgeVote(insider, open.id, organisation.idOf(handle), own);
  });
  await attempt(
    'insider-enrolled-key',
    'his own key entered into the roster as a key of Grace and Linus',
    (insider) => {
      enrol(insider, organisation.idOf('grace'), own);
      forgeVote(insider, open.id, organisation.idOf('grace'), own);
      forgeVote(insider, open.id, organisation.idOf('linus'), own);
    },
  );
  const served = await target.page();
  steps.note(
    'target-unmoved',
    served !== '' && served !== open.version.page,
    'the target still serves what was approved',
  );
};

// With the deployer's key in hand too, and a server that proves whatever he writes.
const bring = async ({ target, organisation }: Stage, insider: Insider, { id, version }: Open) => {
  const file = insider.permitFile(id);
  const drawn = await target.challenge(file);
  if (!drawn.ok) return drawn;
  const { challenge, seen } = drawn.value;
  const { permit } = requestIn(insider, id).request;
  if (permit === null) throw new DemoEnded('the insider issued no permit');
  insider.forge(consumption(insider, organisation.keyOf('deployer'), permit.permit, challenge), [
    { type: 'PermitConsumed', request: id, permit: permit.permit, challenge, late: false },
  ]);
  return target.deploy(insider.permitFile(id), version.bytes, insider.newest(seen?.size ?? 0));
};
