// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readPublicKey } from '../client/signer.ts';
import { visibleText } from '../client/visible-text.ts';
import type { Roster } from '../roster/roster.ts';
import type { TrialFolder } from './trial-folder.ts';

const quoted = (text: string): string =>
  /^[A-Za-z0-9_./:-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

/** A path as somebody in this folder would type it. */
export const typed = (path: string): string => {
  const near = relative(process.cwd(), path);
  return quoted(near === '' || near.startsWith('..') || isAbsolute(near) ? path : near);
};

/** Shell settings for the commands that `start` prints: which server, which pin, and `countersign` itself. */
export const environment = (folder: TrialFolder, url: string, pin: string): string => {
  const command = fileURLToPath(new URL('../../bin/countersign.mjs', import.meta.url));
  return [
    '# Made by `countersign start`. Read it into a shell:  . FILE',
    `export COUNTERSIGN_SERVER=${quoted(url)}`,
    `export COUNTERSIGN_PIN=${quoted(pin)}`,
    `export COUNTERSIGN_HOME=${quoted(folder.home)}`,
    `export COUNTERSIGN_TOKEN_FILE=${quoted(folder.tokenFile)}`,
    `countersign() { node ${quoted(command)} "$@"; }`,
    '',
  ].join('\n');
};

type Names = { readonly [person: string]: string };

/** One line a key: its file, whose it is, and in which groups that person is; from the ledger's own roster. */
export const peopleLines = (folder: TrialFolder, roster: Roster, names: Names): readonly string[] => {
  const rows = readdirSync(folder.keys)
    .filter((name) => name.endsWith('.pub'))
    .sort()
    .flatMap((name) => {
      const key = readPublicKey(join(folder.keys, name));
      const record = key.ok ? roster.records.get(`key/${key.value.fingerprint}`) : undefined;
      if (record === undefined) return [];
      const holder = String(record['holder']);
      const handle = name.slice(0, -'.pub'.length);
      return [[handle, ...describe(holder, roster, names)] as const];
    });
  const width = (at: 0 | 1): number => Math.max(0, ...rows.map((row) => row[at].length));
  return rows.map(([handle, who, part]) => `  ${handle.padEnd(width(0))}  ${who.padEnd(width(1))}  ${part}`);
};

const describe = (holder: string, roster: Roster, names: Names): readonly [who: string, part: string] => {
  const id = holder.slice(holder.indexOf(':') + 1);
  const machine = roster.records.get(`machine/${id}`);
  if (holder.startsWith('machine:')) return [holder, visibleText(String(machine?.['purpose'] ?? ''))];
  const groups = [...roster.records].flatMap(([key, record]) =>
    key.startsWith('group/') && (record['members'] as readonly string[]).includes(id)
      ? [key.slice('group/'.length)]
      : [],
  );
  return [visibleText(names[id] ?? id), groups.sort().join(', ')];
};

/** The three commands to try: a test runs exactly these. */
export const commandsToTry = (folder: TrialFolder): readonly string[] => {
  const key = (handle: string): string => typed(join(folder.keys, handle));
  const who = `--key ${key('ada')} --run-key ${key('deployer')} --allow-trial`;
  return [
    `REQUEST=$(countersign exec run.command --no-wait --reason 'Try it out' ${who} -- echo hello)`,
    `countersign approve "$REQUEST" --key ${key('grace')} --allow-trial`,
    `countersign exec run.command --request "$REQUEST" ${who} -- echo hello`,
  ];
};

/** A deployment of the trial's own commit: two people of two teams, neither of them its author. */
export const deploymentToTry = (folder: TrialFolder, commit: string): string =>
  `countersign request deploy.production --fact service=shop --fact migrations=0 --fact commit=${commit} --fact artifact_path=shop.html --reason 'A basket' --key ${typed(join(folder.keys, 'ada'))} --allow-trial`;

/** Opens a session that a browser signs in with. */
export const signInToTry = (folder: TrialFolder): string =>
  `countersign login --print-token --key ${typed(join(folder.keys, 'grace'))} --allow-trial`;
