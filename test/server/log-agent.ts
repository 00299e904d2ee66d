// SPDX-License-Identifier: Apache-2.0
// The log key in a real ssh-agent, and a ledger that is founded on it.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatOpenSshPrivateKey, type PrivateKey } from '../../src/crypto/openssh-private-key.ts';
import { foundLedger } from '../../src/server/found-ledger.ts';
import { privateKeyFromSeed } from '../../src/server/log-key.ts';
import { mintToken } from '../../src/server/tokens.ts';
import { day } from '../support/world.ts';
import { logSeed, signedGenesis } from './running.ts';

export const logKey = privateKeyFromSeed(logSeed);

/** A folder with a place for an agent's socket, and whoever lives there. */
export class AgentPlace {
  readonly folder = mkdtempSync(join(tmpdir(), 'countersign-agent-'));
  readonly socket = join(this.folder, 'agent.sock');
  #agent: ReturnType<typeof spawn> | undefined;

  /** Starts OpenSSH's own agent, with these keys in it. */
  async start(keys: readonly PrivateKey[] = [logKey]): Promise<void> {
    rmSync(this.socket, { force: true });
    const agent = spawn('ssh-agent', ['-D', '-a', this.socket], { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#agent = agent;
    await new Promise((resolve) => agent.stdout.once('data', resolve));
    for (const key of keys) this.add(key);
  }

  add(key: PrivateKey): void {
    const file = join(this.folder, 'key');
    writeFileSync(file, formatOpenSshPrivateKey(key, 'log key'), { mode: 0o600 });
    this.#tell('ssh-add', ['-q', file]);
    rmSync(file);
  }

  /** `-x` locks it, `-X` unlocks it. */
  lock(flag: '-x' | '-X'): void {
    const askpass = join(this.folder, 'askpass');
    writeFileSync(askpass, '#!/bin/sh\necho word\n');
    chmodSync(askpass, 0o700);
    this.#tell('ssh-add', [flag], { SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: 'force', DISPLAY: 'none' });
  }

  /** As `kill -9`: its socket stays where it is. */
  async kill(): Promise<void> {
    const agent = this.#agent;
    this.#agent = undefined;
    if (agent === undefined) return;
    const ended = new Promise((resolve) => agent.once('close', resolve));
    agent.kill('SIGKILL');
    await ended;
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #tell(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): void {
    execFileSync(program, args, { env: { ...process.env, SSH_AUTH_SOCK: this.socket, ...env }, stdio: 'ignore' });
  }
}

/** A data folder beside the agent, whose log key only the agent has. */
export const foundOnAgent = async (
  place: AgentPlace,
  config = '',
): Promise<{ dir: string; token: string; pin: string }> => {
  const dir = join(place.folder, 'data');
  const { genesis, attachments } = signedGenesis();
  const logAgent = { fingerprint: logKey.public.fingerprint, socket: place.socket };
  const founded = await foundLedger(dir, { genesis, attachments, logAgent, config });
  assert.ok(founded.ok, founded.ok ? '' : founded.refusal.message);
  const minted = mintToken(dir, { label: 'test', validMs: day });
  assert.ok(minted.ok);
  return { dir, token: minted.value.token, pin: founded.value.ledger };
};
