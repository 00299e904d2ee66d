// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fingerprintWords } from '../crypto/words.ts';
import { Actors } from './actors.ts';
import { startAlertReceiver } from './alert-receiver.ts';
import { damageChapter } from './chapter-damage.ts';
import { deployChapter, vetoChapter } from './chapter-deploy.ts';
import { emergencyChapter } from './chapter-emergency.ts';
import { insiderChapter } from './chapter-insider.ts';
import { collectEvidence, proofChapter } from './chapter-proof.ts';
import { voteChapter } from './chapter-votes.ts';
import { handles, makeOrganisation } from './organisation.ts';
import { makeRepository } from './repository.ts';
import { startCountersign } from './run-program.ts';
import { deployment, makeVersion, type Stage } from './stage.ts';
import { DemoEnded, must, Steps } from './steps.ts';
import { startTarget } from './target.ts';

export type DemoOptions = {
  readonly json: boolean /** Where to leave everything; a folder that goes away, when left out. */;
  readonly keep?: string;
};

/**
 * Shows on real things that nobody gets through alone: a git repository with signed commits, keys that ssh-keygen made,
 * a server and a target in processes of their own, a webhook receiver. True when every step held.
 */
export const runDemo = async ({ json, keep }: DemoOptions): Promise<boolean> => {
  const folder = keep ?? mkdtempSync(join(tmpdir(), 'countersign-demo-'));
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const steps = new Steps(json);
  const endings: (() => Promise<void>)[] = [];
  try {
    await show(steps, folder, endings);
  } catch (error) {
    if (!(error instanceof DemoEnded)) throw error;
    steps.note('demo', false, error.message);
  } finally {
    for (const end of endings.toReversed()) await end();
    if (keep === undefined) rmSync(folder, { recursive: true, force: true });
  }
  steps.sum();
  return steps.allHeld;
};

const show = async (steps: Steps, folder: string, endings: (() => Promise<void>)[]): Promise<void> => {
  const stage = await setUp(steps, folder, endings);
  const asked = await voteChapter(stage);
  await deployChapter(stage, asked);
  await vetoChapter(stage);
  await emergencyChapter(stage);
  const open = makeVersion(stage, 'bob', '<h1>Shop</h1><p>What an insider would like to see here.</p>');
  const { request } = must('an open request', await stage.actors.ask('ada', deployment(open, 'never approved')));
  const evidence = await collectEvidence(stage, asked.id);
  await proofChapter(stage, evidence);
  await insiderChapter(stage, { id: request, version: open });
  await damageChapter(stage, open);
};

const setUp = async (steps: Steps, folder: string, endings: (() => Promise<void>)[]): Promise<Stage> => {
  const organisation = makeOrganisation(folder);
  steps.note('keys', true, `ssh-keygen made ${handles.length} keys; each stays with its holder`);
  steps.note('genesis', true, `a trial ledger; its pin in six words: ${fingerprintWords(organisation.pin).join(' ')}`);
  const repository = makeRepository(join(folder, 'repository'));
  makeVersion({ organisation, repository }, 'bob', '<h1>Shop</h1><p>The first version.</p>');
  repository.git('branch', 'deployed');
  const alerts = await startAlertReceiver(join(folder, 'webhook.secret'));
  endings.push(alerts.stop);
  writeFileSync(join(organisation.data, 'countersign.yaml'), configuration(folder, repository.folder, alerts));
  const started = await startCountersign(
    ['serve', '--dir', organisation.data, '--listen', '127.0.0.1:0'],
    /Listening on\s+(http:\S+)/,
  );
  endings.push(() => started.stop());
  const url = started.match[1] ?? '';
  steps.note('server', true, `a server in a process of its own at ${url}, holding nobody's key`);
  const target = await startTarget(join(folder, 'site'), organisation.pin);
  endings.push(target.stop);
  const page = await target.page();
  steps.note(
    'target',
    page === '',
    `a site at ${target.url} serves nothing yet, and takes a version only with a permit`,
  );
  return {
    steps,
    organisation,
    repository,
    alerts,
    target,
    server: { ...started, url },
    actors: new Actors(organisation, url),
  };
};

const configuration = (
  folder: string,
  repository: string,
  alerts: { readonly url: string; readonly secretFile: string },
): string =>
  [
    `git: { repository: ${JSON.stringify(repository)}, base: refs/heads/deployed }`,
    `files: { root: ${JSON.stringify(join(folder, 'artefacts'))} }`,
    `notices: { webhooks: [{ url: ${JSON.stringify(alerts.url)}, secret-file: ${JSON.stringify(alerts.secretFile)} }] }`,
    '',
  ].join('\n');
