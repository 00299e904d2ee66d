// SPDX-License-Identifier: Apache-2.0
// The sample organisation, founded as a trial and served by a real process; votes are cast by the real command line.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { runCli, startCli, type Ran } from './run-cli.ts';
import { makeKey, sampleOrganisation, type Organisation } from './sample-organisation.ts';

export type ServedTrial = {
  readonly org: Organisation;
  readonly dir: string;
  readonly pin: string;
  readonly url: string;
  /** Runs a client verb as one of the people, each with a home of their own. */
  readonly as: (handle: string, args: readonly string[], cwd?: string) => Promise<Ran>;
  /** Approves with the digest that the server shows: tests of `approve` itself are elsewhere. */
  readonly approve: (handle: string, request: string) => Promise<Ran>;
  /** Stops the server and leaves its folder. */
  readonly halt: () => Promise<number | null>;
  readonly stop: () => Promise<number | null>;
};

export const foundSample = async (org: Organisation): Promise<{ readonly dir: string; readonly pin: string }> => {
  const dir = join(org.folder, 'data');
  const args = ['--dir', dir, '--roster', org.roster, '--policy', org.policy, '--keys', org.keys];
  const founded = await runCli(['init', '--trial', ...args]);
  assert.equal(founded.code, 0, founded.stderr);
  return { dir, pin: founded.stdout.trim() };
};

/** The same, founded as a real ledger by its three founders. */
export const foundReal = async (org: Organisation): Promise<{ readonly dir: string; readonly pin: string }> => {
  const [draft, dir, logKey] = ['draft', 'real', 'log.key'].map((name) => join(org.folder, name)) as [
    string,
    string,
    string,
  ];
  const recovery = ['grace', 'radia'].flatMap((handle) => {
    makeKey(join(org.folder, `${handle}-recovery`));
    return ['--recovery', `${handle}=${join(org.folder, `${handle}-recovery.pub`)}`];
  });
  const documents = ['--roster', org.roster, '--policy', org.policy, '--keys', org.keys];
  const drafted = await runCli(['init', 'draft', draft, ...documents, '--log-key', logKey, ...recovery]);
  assert.equal(drafted.code, 0, drafted.stderr);
  const pin = drafted.stdout.trim();
  for (const handle of ['ada', 'grace', 'radia'])
    assert.equal((await runCli(['init', 'sign', draft, '--key', org.key(handle), '--pin', pin])).code, 0);
  const done = await runCli(['init', 'finish', draft, '--dir', dir, '--log-key', logKey]);
  assert.equal(done.code, 0, done.stderr);
  return { dir, pin };
};

export const serveFolder = async (
  dir: string,
  ...more: readonly string[]
): Promise<{ readonly url: string; readonly told: () => string; readonly stop: () => Promise<number | null> }> => {
  const child = startCli(['serve', '--dir', dir, '--listen', '127.0.0.1:0', ...more]);
  let told = '';
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const url = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        told += chunk.toString('utf8');
        const found = /Listening on {2}(\S+)[\s\S]*Ledger +\d/.exec(told)?.[1];
        if (found !== undefined) resolve(found);
      });
    void ended.then((code) => reject(new Error(`serve ended with ${code}: ${told}`)));
  });
  return {
    url,
    told: () => told,
    stop: () => {
      child.kill('SIGTERM');
      return ended;
    },
  };
};

const serve = async (found: typeof foundSample, flags: readonly string[]): Promise<ServedTrial> => {
  const org = sampleOrganisation();
  const { dir, pin } = await found(org);
  const server = await serveFolder(dir);
  const as: ServedTrial['as'] = (handle, args, cwd = org.folder) =>
    runCli([...args, '--server', server.url, '--pin', pin, '--key', org.key(handle), ...flags], {
      cwd,
      env: { COUNTERSIGN_HOME: join(org.folder, 'homes', handle) },
    });
  return {
    org,
    dir,
    pin,
    url: server.url,
    as,
    approve: async (handle, request) => {
      const shown = await as(handle, ['show', request, '--json']);
      const { change } = JSON.parse(shown.stdout) as { readonly change: string };
      const approved = await as(handle, ['approve', request, '--yes', '--digest', change]);
      assert.equal(approved.code, 0, approved.stderr);
      return approved;
    },
    halt: server.stop,
    stop: async () => {
      const code = await server.stop();
      org.remove();
      return code;
    },
  };
};

export const serveTrial = (): Promise<ServedTrial> => serve(foundSample, ['--allow-trial']);
/** Verbs get no flag: on a real ledger formats of version v0 have to be accepted by name. */
export const serveReal = (): Promise<ServedTrial> => serve(foundReal, []);
