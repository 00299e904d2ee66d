// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatOpenSshPrivateKey, generateEd25519 } from '../crypto/openssh-private-key.ts';
import { compileRoster } from '../roster/compile.ts';
import { failWithDiagnostics } from './diagnostics.ts';
import { foundersOf, randomPersonId, readPlan } from './founding.ts';
import { foundTrial } from './init-trial.ts';
import { readDocument } from './policy-files.ts';
import { writePrivate } from './write-private.ts';

/** Where `start` keeps what it makes. */
export type TrialFolder = {
  readonly root: string;
  /** Data folder of the server. */
  readonly data: string;
  /** Private and public keys of the example people: to play all of them is what makes it a trial. */
  readonly keys: string;
  /** What the example people's command line remembers; apart from your own. */
  readonly home: string;
  readonly tokenFile: string;
  readonly envFile: string;
  /** What actions of the example policy are about: a repository with signed commits, and a built file. */
  readonly repository: string;
  readonly artefacts: string;
  readonly logFile: string;
};

export const trialFolder = (root: string): TrialFolder => ({
  root,
  data: join(root, 'data'),
  keys: join(root, 'keys'),
  home: join(root, 'home'),
  tokenFile: join(root, 'read.token'),
  envFile: join(root, 'env'),
  repository: join(root, 'repository'),
  artefacts: join(root, 'artefacts'),
  logFile: join(root, 'server.log'),
});

const examples = fileURLToPath(new URL('../../examples/trial/', import.meta.url));

// OpenSSH's own program where it is there; else the same file format from our writer.
const makeKey = (file: string, comment: string): void => {
  try {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', file], { stdio: 'ignore' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const key = generateEd25519();
    writePrivate(file, formatOpenSshPrivateKey(key, comment), { fresh: true });
    writePrivate(`${file}.pub`, `${key.public.line} ${comment}\n`, { fresh: true });
  }
};

/** Makes the example organisation with fresh keys and founds its trial ledger; leaves one that is there as it is. */
export const prepareTrial = async (folder: TrialFolder): Promise<'new' | 'continued'> => {
  if (existsSync(join(folder.data, 'ledger'))) return 'continued';
  mkdirSync(folder.keys, { recursive: true, mode: 0o700 });
  mkdirSync(folder.home, { recursive: true, mode: 0o700 });
  const roster = join(examples, 'roster.yaml');
  // Compiling asks for every key by its file name, which is how the keys to make become known.
  const ids = new Map<string, string>();
  const idOf = (handle: string): string => {
    const id = ids.get(handle) ?? randomPersonId();
    ids.set(handle, id);
    return id;
  };
  const compiled = compileRoster(readDocument(roster), {
    idOf,
    readKey: (name) => {
      const file = join(folder.keys, basename(name, '.pub'));
      if (!existsSync(file)) makeKey(file, `${basename(name, '.pub')} of the trial`);
      return readFileSync(`${file}.pub`, 'utf8').trim();
    },
  });
  if (!compiled.ok) return failWithDiagnostics(compiled.diagnostics);
  const plan = readPlan(roster, [join(examples, 'policy')], folder.keys, idOf);
  await foundTrial(plan, { dir: folder.data, keys: folder.keys, founders: foundersOf(plan, []) });
  return 'new';
};
