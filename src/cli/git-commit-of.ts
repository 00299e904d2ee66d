// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { dirname } from 'node:path';
import { statSync } from 'node:fs';

const git = (folder: string, ...args: readonly string[]): string | undefined => {
  try {
    // A repository may name a program that watches files for git; reading a commit shall not start it.
    return execFileSync('git', ['-C', folder, '-c', 'core.fsmonitor=false', ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    return undefined;
  }
};

/**
 * The commit that a folder or file is exactly as in, as `git:<id>`; null where it lies in no repository, or differs
 * from the commit: a policy then names none rather than a wrong one (G34).
 */
const gitCommitOf = (path: string): string | null => {
  const folder = statSync(path).isDirectory() ? path : dirname(path);
  const commit = git(folder, 'rev-parse', '--verify', 'HEAD^{commit}')?.trim();
  const changed = git(folder, 'status', '--porcelain', '--untracked-files=all', '--ignored', '--', '.');
  return commit !== undefined && /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(commit) && changed === ''
    ? `git:${commit}`
    : null;
};

/** The commit that policy documents come from: only where one path names all of them. */
export const commitOf = (paths: readonly string[]): string | null => {
  const [only, ...others] = paths;
  return only !== undefined && others.length === 0 ? gitCommitOf(only) : null;
};
