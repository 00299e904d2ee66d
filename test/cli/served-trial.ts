// SPDX-License-Identifier: Apache-2.0
// The sample organisation, founded as a trial and served by a real process; votes are cast by the real command line.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { runCli, startCli, type Ran } from './run-cli.ts';
import { sampleOrganisation, type Organisation } from './sample-organisation.ts';

export type ServedTrial = {
  readonly org: Organisation;
  readonly dir: string;
  readonly pin: string;
  readonly url: string;
  /** Runs a client verb as one of the people, each with a home of their own. */
  readonly as: (handle: string, args: readonly string[], cwd?: string) => Promise<Ran>;
  /** Approves with the digest that the server shows: tests of `approve` itself are elsewhere. */
  readonly approve: (handle: string, request: string) => Promise<void>;
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

export const serveTrial = async (): Promise<ServedTrial> => {
  const org = sampleOrganisation();
  const { dir, pin } = await foundSample(org);
  const server = await serveFolder(dir);
  const as: ServedTrial['as'] = (handle, args, cwd = org.folder) =>
    runCli([...args, '--server', server.url, '--pin', pin, '--key', org.key(handle), '--allow-trial'], {
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
    },
    halt: server.stop,
    stop: async () => {
      const code = await server.stop();
      org.remove();
      return code;
    },
  };
};
