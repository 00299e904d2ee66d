// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf } from '../crypto/digest.ts';
import { encodeBase64 } from '../kernel/base64.ts';
import { canonicalize } from '../kernel/canonical-json.ts';
import { mustRun } from './run-program.ts';

/** A real repository whose commits are signed with people's SSH keys. */
export type Repository = {
  readonly folder: string;
  readonly git: (...args: readonly string[]) => string;
  /** Writes a page, commits it as `author`, signed with a key file; gives the commit's id. */
  readonly commit: (author: string, key: string, page: string) => string;
};

export const makeRepository = (folder: string): Repository => {
  mkdirSync(folder, { recursive: true });
  const git = (...args: readonly string[]): string =>
    mustRun('git', ['-C', folder, ...args], {
      env: { GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0' },
    }).trim();
  git('init', '--quiet', '--initial-branch=main');
  git('config', 'gpg.format', 'ssh');
  const commit = (author: string, key: string, page: string): string => {
    writeFileSync(join(folder, 'index.html'), page);
    git('add', 'index.html');
    git(
      '-c',
      `user.name=${author}`,
      '-c',
      `user.email=${author}@example.org`,
      '-c',
      `user.signingkey=${key}`,
      'commit',
      '--quiet',
      '-S',
      '-m',
      `Change the page (${author})`,
    );
    return git('rev-parse', 'HEAD');
  };
  return { folder, git, commit };
};

export type Artefact = {
  readonly path: string;
  readonly digest: string;
  readonly bytes: Uint8Array;
  readonly page: string;
};

/** Builds the artefact of a commit: the page as that commit has it, in the form the site takes (path → base64). */
export const buildArtefact = (repository: Repository, commit: string, into: string, name: string): Artefact => {
  mkdirSync(into, { recursive: true });
  const page = repository.git('show', `${commit}:index.html`);
  const bytes = Buffer.from(canonicalize({ 'index.html': encodeBase64(Buffer.from(page)) }));
  writeFileSync(join(into, name), bytes);
  return { path: name, digest: digestOf(bytes), bytes, page };
};
