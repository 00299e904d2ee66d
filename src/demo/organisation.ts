// SPDX-License-Identifier: Apache-2.0
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseJson } from '../kernel/canonical-json.ts';
import { isObject } from '../kernel/shape.ts';
import { countersign, mustRun } from './run-program.ts';
import { DemoEnded } from './steps.ts';

const examples = join(import.meta.dirname, '..', '..', 'examples', 'trial');

export const handles = [
  'ada',
  'bob',
  'grace',
  'grace-second',
  'linus',
  'radia',
  'margaret',
  'vint',
  'ci',
  'agent',
  'deployer',
] as const;
export type Handle = (typeof handles)[number];

/** The trial organisation on disk: keys that ssh-keygen made, a founded ledger, nobody's names in it. */
export type Organisation = {
  readonly folder: string;
  /** Data folder of the server. */
  readonly data: string;
  readonly pin: string;
  readonly keyOf: (handle: Handle | 'stranger') => string;
  /** Opaque id of a person, `p_…`. */
  readonly idOf: (handle: Handle) => string;
};

/** Makes keys and documents, and founds the ledger with `countersign init --trial`. */
export const makeOrganisation = (folder: string): Organisation => {
  const keys = join(folder, 'keys');
  mkdirSync(keys, { recursive: true, mode: 0o700 });
  for (const name of [...handles, 'stranger'])
    mustRun('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', join(keys, name)]);
  const policy = join(folder, 'policy');
  cpSync(join(examples, 'policy'), policy, { recursive: true });
  // Emergencies of seconds, so that one can be watched ending by itself.
  const production = join(policy, 'deploy-production.yaml');
  const text = readFileSync(production, 'utf8');
  if (!text.includes('lasts: 15m')) throw new DemoEnded('the trial policy does not say how long an emergency lasts');
  writeFileSync(production, text.replace('lasts: 15m', 'lasts: 6s'));
  const data = join(folder, 'data');
  const done = countersign([
    'init',
    '--trial',
    '--dir',
    data,
    '--roster',
    join(examples, 'roster.yaml'),
    '--policy',
    policy,
    '--keys',
    keys,
    '--json',
  ]);
  if (done.status !== 0) throw new DemoEnded(`\`countersign init --trial\` ended with ${done.status}: ${done.stderr}`);
  const founded = objectIn(done.stdout, 'the answer of `countersign init`');
  const people = objectIn(readFileSync(join(data, 'people.json'), 'utf8'), 'people.json');
  const ids = new Map(Object.entries(people).map(([id, name]) => [String(name).split(' ')[0]?.toLowerCase(), id]));
  return {
    folder,
    data,
    pin: String(founded['ledger']),
    keyOf: (handle) => join(keys, handle),
    idOf: (handle) => {
      const id = ids.get(handle);
      if (id === undefined) throw new DemoEnded(`people.json names nobody like \`${handle}\``);
      return id;
    },
  };
};

const objectIn = (text: string, what: string) => {
  const parsed = parseJson(text, { numbers: 'any' });
  if (parsed.ok && isObject(parsed.value)) return parsed.value;
  throw new DemoEnded(`${what} cannot be read`);
};
