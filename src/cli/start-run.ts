// SPDX-License-Identifier: Apache-2.0
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { openSqliteStore } from '../adapters/sqlite/sqlite-store.ts';
import { displayNames } from '../server/display-names.ts';
import { mintToken, TokenList } from '../server/tokens.ts';
import { orFail, print, styledOut } from './output.ts';
import { readListen } from './serve.ts';
import { startServing } from './serve-run.ts';
import type { StartOptions } from './start.ts';
import { commandsToTry, deploymentToTry, environment, peopleLines, signInToTry, typed } from './start-words.ts';
import { prepareTrial, trialFolder, type TrialFolder } from './trial-folder.ts';
import { newestCommit, prepareRepository } from './trial-repository.ts';
import { writePrivate } from './write-private.ts';

const firstPort = 7080;
const portsToTry = 50;
const tokenValidMs = 90 * 86_400_000;

const isFree = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const probe = createServer();
    probe.once('error', () => done(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => done(true)));
  });

const freePort = async (): Promise<number> => {
  for (let port = firstPort; port < firstPort + portsToTry; port += 1) if (await isFree(port)) return port;
  return 0;
};

// The token of an earlier start serves on while it is valid.
const keepToken = ({ data, tokenFile }: TrialFolder): void => {
  const kept = existsSync(tokenFile) ? readFileSync(tokenFile, 'utf8').trim() : '';
  if (new TokenList(data, Date.now).find(kept) !== undefined) return;
  const { token } = orFail(mintToken(data, { label: 'trial', validMs: tokenValidMs }));
  writePrivate(tokenFile, `${token}\n`);
};

const longMs = 86_400_000;

/** When the ledger was last written to; null for one that was just founded or cannot be read. */
const lastEntry = async (data: string): Promise<string | null> => {
  const store = openSqliteStore(join(data, 'ledger'));
  if (!store.ok) return null;
  try {
    return (await store.value.head('main')).time;
  } finally {
    await store.value.close();
  }
};

// A trial that lay about over a weekend: whoever starts it again says with that that so much time has passed (SPEC L4).
const acceptLeap = async (folder: TrialFolder, began: 'new' | 'continued'): Promise<boolean> => {
  const last = began === 'new' ? null : await lastEntry(folder.data);
  if (last === null || Date.now() - Date.parse(last) < longMs) return false;
  print(
    `Its last entry is of ${last}. Starting it takes this machine's clock to be right, ${new Date().toISOString()}.`,
  );
  return true;
};

const tellMore = (folder: TrialFolder, url: string, deploys: boolean): void => {
  print(`The pages are at ${styledOut('bold', url)}. To sign in there, paste what this prints:`);
  print(signInToTry(folder));
  print('');
  if (!deploys) {
    print('git or ssh-keygen is not there: run.command and changes of governance can be tried, deployments cannot.');
    return;
  }
  print(`Something to deploy lies in ${typed(folder.repository)}; two people of two teams approve it (linus, radia):`);
  print(deploymentToTry(folder, newestCommit(folder)));
};

/** `start`, which `npm start` runs: everything a newcomer needs to see it work, in one command. */
export const start = async ({ dir, listen }: StartOptions): Promise<void> => {
  const folder = trialFolder(resolve(dir));
  const began = await prepareTrial(folder);
  keepToken(folder);
  const deploys = prepareRepository(folder);
  print(
    began === 'new'
      ? `Made a trial organisation in ${typed(folder.root)}: fresh keys, policy, and a ledger of its own.`
      : `Carrying on with the trial organisation in ${typed(folder.root)}.`,
  );
  const server = await startServing({
    dir: folder.data,
    acceptTimeJump: await acceptLeap(folder, began),
    log: (lines) => appendFileSync(folder.logFile, lines, { mode: 0o600 }),
    ...(listen === undefined ? { host: '127.0.0.1', port: await freePort() } : readListen(listen)),
  });
  const { identity, roster } = server.ledger.sequencer.state();
  if (identity === null) return;
  writePrivate(folder.envFile, environment(folder, server.url, identity.ledger));
  print('');
  print(
    styledOut('bold', 'Who there is') + `  (their private keys lie in ${typed(folder.keys)}: you play all of them)`,
  );
  for (const line of peopleLines(folder, roster, displayNames(folder.data).people())) print(line);
  print('');
  print(styledOut('bold', 'Try it') + '  in a second terminal, in this folder:');
  print('');
  print(`. ${typed(folder.envFile).replace(/^(?![./'])/, './')}`);
  for (const command of commandsToTry(folder)) print(command);
  print('');
  print('Ada asks; she cannot approve it herself. Grace is shown every byte and signs with her own key.');
  print('The last command verifies the permit on your machine, from the pin, uses it up, and runs `echo hello`, once.');
  print('');
  tellMore(folder, server.url, deploys);
  print('');
  print(`What the server logs stands in ${typed(folder.logFile)}. Ctrl-C stops it.`);
};
