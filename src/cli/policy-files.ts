// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { PolicyFile } from '../policy/diagnostic.ts';
import { compileRoster, type RosterResult } from '../roster/compile.ts';
import { usage } from './output.ts';

const maxFileBytes = 1024 * 1024;

/** Reads one file for people to be told about by its path; a missing one ends the command with exit code 2. */
export const readDocument = (path: string): PolicyFile => {
  try {
    if (statSync(path).size > maxFileBytes) usage(`\`${path}\` has more than ${maxFileBytes} bytes`, 'split it');
    return { name: path, text: readFileSync(path, 'utf8') };
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'is not there' : 'cannot be read';
    return usage(`\`${path}\` ${why}`, 'name a YAML file or a folder of them');
  }
};

/** Policy documents by path: files as named, folders as all their `.yaml` and `.yml` files, in the order of names. */
export const readPolicyFiles = (paths: readonly string[]): readonly PolicyFile[] =>
  paths.flatMap((path) => {
    const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
    if (!isFolder) return [readDocument(path)];
    const names = readdirSync(path)
      .filter((name) => /\.ya?ml$/.test(name))
      .sort();
    if (names.length === 0) usage(`\`${path}\` holds no \`.yaml\` file`, 'write one document an action');
    return names.map((name) => readDocument(join(path, name)));
  });

/** Compiles a roster file; public keys are read from the folder given, else from beside the roster. */
export const compileRosterFile = (
  path: string,
  { keys = dirname(path), idOf }: { readonly keys?: string | undefined; readonly idOf: (handle: string) => string },
): RosterResult =>
  compileRoster(readDocument(path), {
    idOf,
    readKey: (name) => {
      try {
        return readFileSync(join(keys, basename(name)), 'utf8').trim();
      } catch {
        return undefined;
      }
    },
  });
