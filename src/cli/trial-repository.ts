// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeRepository } from '../demo/repository.ts';
import type { TrialFolder } from './trial-folder.ts';

const configuration = `# Made by \`countersign start\`. What each line means: docs/operations.md
git: { repository: ../repository, base: refs/heads/deployed }
files: { root: ../artefacts }
`;

const isThere = (program: string, ...args: readonly string[]): boolean => {
  try {
    execFileSync(program, args, { stdio: 'ignore' });
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
};

/**
 * Gives the trial something to deploy: a real repository whose commits ada and bob signed, and one built file. False
 * where git or ssh-keygen is missing; the actions that are about commits can then not be asked for.
 */
export const prepareRepository = ({ data, keys, repository, artefacts }: TrialFolder): boolean => {
  const config = join(data, 'countersign.yaml');
  if (!isThere('git', '--version') || !isThere('ssh-keygen', '-?')) return false;
  if (existsSync(config)) return existsSync(join(repository, '.git'));
  rmSync(repository, { recursive: true, force: true });
  mkdirSync(artefacts, { recursive: true });
  const { git, commit } = makeRepository(repository);
  commit('ada', join(keys, 'ada'), '<h1>Shop</h1>\n');
  git('branch', 'deployed');
  commit('bob', join(keys, 'bob'), '<h1>Shop</h1>\n<p>Now with a basket.</p>\n');
  writeFileSync(join(artefacts, 'shop.html'), git('show', 'main:index.html'));
  writeFileSync(config, configuration);
  return true;
};

/** The commit that waits to be deployed. */
export const newestCommit = ({ repository }: TrialFolder): string =>
  execFileSync('git', ['-C', repository, 'rev-parse', 'main'], { encoding: 'utf8' }).trim();
