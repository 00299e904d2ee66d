// SPDX-License-Identifier: Apache-2.0
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { displayNames } from '../server/display-names.ts';
import { mintToken, TokenList } from '../server/tokens.ts';
import { orFail, print, styledOut } from './output.ts';
import { readListen } from './serve.ts';
import { startServing } from './serve-run.ts';
import type { StartOptions } from './start.ts';
import { commandsToTry, environment, peopleLines, typed } from './start-words.ts';
import { prepareTrial, trialFolder, type TrialFolder } from './trial-folder.ts';
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

const note = `A note for the trial. Whoever approves this request signs these very bytes.
`;

/** `start`, which `npm start` runs: everything a newcomer needs to see it work, in one command. */
export const start = async ({ dir, listen }: StartOptions): Promise<void> => {
  const folder = trialFolder(resolve(dir));
  const began = await prepareTrial(folder);
  keepToken(folder);
  if (!existsSync(folder.noteFile)) writeFileSync(folder.noteFile, note);
  print(
    began === 'new'
      ? `Made a trial organisation in ${typed(folder.root)}: fresh keys, policy, and a ledger of its own.`
      : `Carrying on with the trial organisation in ${typed(folder.root)}.`,
  );
  const server = await startServing({
    dir: folder.data,
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
  print('The last command derives all of it again on your machine, from the pin.');
  print(`What the server logs stands in ${typed(folder.logFile)}. Ctrl-C stops it.`);
};
