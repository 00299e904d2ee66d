// SPDX-License-Identifier: Apache-2.0
import { setTimeout as later } from 'node:timers/promises';
import { showRequest } from '../client/requests.ts';
import { openVerifiedCase } from '../client/verified-case.ts';
import { deploy, waitForPermit } from './chapter-deploy.ts';
import { deployment, makeVersion, type Stage } from './stage.ts';
import { must } from './steps.ts';

/** Break-glass: one other person, everybody alerted, over by itself, a debt left that raises the bar (INV9). */
export const emergencyChapter = async (stage: Stage): Promise<void> => {
  const { steps, actors, alerts } = stage;
  const version = makeVersion(stage, 'bob', '<h1>Shop</h1><p>Hotfix.</p>');
  const wish = { ...deployment(version, 'the shop is down'), emergency: true };
  const asked = steps.works(
    'emergency',
    await actors.ask('bob', wish),
    ({ request }) => `Bob breaks the glass: ${request}`,
  );
  const id = asked.request;
  const alert = await alerts.waitFor('emergency.invoked', id, 5_000);
  steps.note(
    'emergency-alert',
    alert !== undefined,
    'the alert reached the webhook at once, with a signature that holds',
  );
  steps.refused(
    'emergency-not-alone',
    await actors.permit('deployer', id),
    'gate-pending',
    'Bob alone, even in an emergency',
  );
  steps.works('emergency-commander', await actors.vote('linus', id), () => 'Linus commands; no wait');
  const given = must('permit', await waitForPermit(stage, id));
  steps.works(
    'emergency-deploy',
    await deploy(stage, given.file, given.permit, version.bytes),
    () => 'the hotfix is deployed',
  );
  must('result', await actors.result(given.permit.permit, 'succeeded'));
  await debt(stage, id);
  await raisedBar(stage);
  steps.refused(
    'review-by-involved',
    await actors.review('linus', id, 'looks fine'),
    'review-by-involved',
    'Linus reviews what he commanded',
  );
  steps.works(
    'review',
    await actors.review('vint', id, 'the outage was real'),
    () => 'Vint, who had no part, closes the review',
  );
};

const debt = async ({ steps, actors }: Stage, id: string): Promise<void> => {
  const view = must('show', await showRequest(await actors.client('vint'), id));
  steps.note(
    'emergency-debt',
    view.debt !== null,
    `a review is owed by ${view.debt?.reviewers ?? 'nobody'} until ${view.debt?.due_at ?? '-'}`,
  );
};

// While the debt is open, the commander has to come from another team; and what nobody uses ends by itself.
const raisedBar = async (stage: Stage): Promise<void> => {
  const { steps, actors } = stage;
  const version = makeVersion(stage, 'bob', '<h1>Shop</h1><p>Another hotfix.</p>');
  const wish = { ...deployment(version, 'down again'), emergency: true };
  const { request: id } = must('second emergency', await actors.ask('bob', wish));
  const opened = must('case', await openVerifiedCase(await actors.client('radia'), id));
  steps.note(
    'debt-raises-the-bar',
    opened.change.gate.raised.includes('debt-open'),
    `the next emergency's commander may not share ${opened.change.gate.must_not_share.join(', ')} with whoever asks`,
  );
  must('radia commands', await actors.vote('radia', id));
  const { file, permit } = must('permit', await waitForPermit(stage, id));
  await later(Math.max(0, Date.parse(permit.expires_at) - Date.now()) + 300);
  steps.refused(
    'emergency-ends-by-itself',
    await deploy(stage, file, permit, version.bytes),
    'permit-expired',
    'its permit, seconds later',
  );
};
