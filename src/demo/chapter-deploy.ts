// SPDX-License-Identifier: Apache-2.0
import { setTimeout as later } from 'node:timers/promises';
import { parsePermitFile } from '../execute/permit-file.ts';
import { parseCanonical } from '../kernel/canonical-json.ts';
import { isObject } from '../kernel/shape.ts';
import { ok, type Result } from '../kernel/refusal.ts';
import { readCheckpointNote } from '../ledger/checkpoint.ts';
import { parseTlogProof } from '../ledger/tlog-proof.ts';
import type { Permit } from '../request/request-state.ts';
import { deployment, makeVersion, type Stage, type Version } from './stage.ts';
import { DemoEnded, must } from './steps.ts';
import type { ShownUse } from './target.ts';

type Asked = { readonly id: string; readonly version: Version };

/** The permit, once the wait is over; fetched by the executor. */
export const waitForPermit = async (
  { actors }: Stage,
  id: string,
): Promise<Result<{ readonly file: string; readonly permit: Permit }>> => {
  for (;;) {
    const answer = await actors.permit('deployer', id);
    if (answer.ok) return ok({ file: answer.value.file, permit: permitIn(answer.value.file) });
    if (answer.refusal.code !== 'timelock-running') return answer;
    await later(200);
  }
};

// For the demo's own use only: the target reads the file by itself, from its own pin.
const permitIn = (file: string): Permit => {
  const entry = must('entry', parseCanonical(must('permit file', parsePermitFile(file)).entry));
  const events = isObject(entry) && Array.isArray(entry['events']) ? (entry['events'] as readonly unknown[]) : [];
  for (const event of events)
    if (isObject(event) && event['type'] === 'PermitIssued') return event['permit'] as unknown as Permit;
  throw new DemoEnded('the permit file issues no permit');
};

/** The executor uses the permit at the server, over the number that the target drew, and brings back the proof. */
export const usePermit = async ({ target, actors }: Stage, file: string, permit: Permit): Promise<Result<ShownUse>> => {
  const drawn = await target.challenge(file);
  if (!drawn.ok) return drawn;
  const { challenge, seen } = drawn.value;
  const client = await actors.client('deployer');
  const envelope = await actors.consumption(permit, challenge);
  const path = `/v1/permits/${permit.permit}/consume`;
  const answer = await client.post(path, { envelope }, { idempotencyKey: `consume-${challenge}` });
  if (!answer.ok) return answer;
  const receipt = fieldOf(answer.value, 'receipt');
  const proof = String(fieldOf(receipt, 'proof'));
  const size = must('checkpoint', readCheckpointNote(must('proof', parseTlogProof(proof)).checkpoint)).size;
  const way =
    seen === null
      ? []
      : fieldOf(must('way', await client.get(`/v1/ledger/consistency?from=${seen.size}&to=${size}`)), 'hashes');
  return ok({ entry: String(fieldOf(receipt, 'entry')), proof, consistency: way as readonly string[] });
};

const fieldOf = (value: unknown, field: string): unknown => {
  if (!isObject(value) || value[field] === undefined) throw new DemoEnded(`the answer holds no \`${field}\``);
  return value[field];
};

/** Brings an artefact to the target with a permit, as the deployer does: challenge, signed consumption, proof, effect. */
export const deploy = async (stage: Stage, file: string, permit: Permit, bytes: Uint8Array) => {
  const use = await usePermit(stage, file, permit);
  return use.ok ? stage.target.deploy(file, bytes, use.value) : use;
};

/** Wait, permit, deployment; then the same permit again, and another artefact. Gives the deployed request. */
export const deployChapter = async (stage: Stage, { id, version }: Asked): Promise<void> => {
  const { steps, target, actors } = stage;
  const { file, permit } = steps.works(
    'permit',
    await waitForPermit(stage, id),
    ({ permit: given }) =>
      `the wait is over: ${given.permit}, for ${given.persons} distinct persons, one executor, one target`,
  );
  const use = must('use', await usePermit(stage, file, permit));
  const other = Buffer.from(Buffer.from(version.bytes).toString('utf8').replace('index', 'inde\\u0078'));
  steps.refused(
    'changed-artefact',
    await target.deploy(file, other, use),
    'permit-wrong-change',
    'an artefact that differs by a few bytes, with this permit',
  );
  steps.works('deploy', await target.deploy(file, version.bytes, use), () => 'the target takes the artefact');
  const page = await target.page();
  steps.note('new-version-served', page === version.page, 'and serves the new version over HTTP');
  steps.refused(
    'same-permit-again',
    await deploy(stage, file, permit, version.bytes),
    'permit-used',
    'the same permit again',
  );
  steps.works(
    'result',
    await actors.result(permit.permit, 'succeeded'),
    ({ status }) => `the executor reports the result; the request is ${status}`,
  );
};

/** A second run: everything is approved, and one vetoer stops it during the wait. */
export const vetoChapter = async (stage: Stage): Promise<void> => {
  const { steps, actors } = stage;
  const version = makeVersion(stage, 'bob', '<h1>Shop</h1><p>Everything must go.</p>');
  const { request: id } = must('request', await actors.ask('ada', deployment(version, 'a sale')));
  must('grace votes', await actors.vote('grace', id));
  must('linus votes', await actors.vote('linus', id));
  steps.works(
    'veto',
    await actors.veto('radia', id, 'the prices are wrong'),
    () => 'approved by two, vetoed by Radia during the wait',
  );
  await later(2_200);
  steps.refused('vetoed-stays-so', await actors.permit('deployer', id), 'request-vetoed', 'its permit after the wait');
};
