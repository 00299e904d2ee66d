// SPDX-License-Identifier: Apache-2.0
// A real git repository whose commits are signed by real `ssh-keygen` keys.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseSshPublicKey } from '../../src/crypto/ssh-key.ts';

export class GitRepository {
  readonly dir = mkdtempSync(join(tmpdir(), 'countersign-git-'));
  readonly path = join(this.dir, 'repository');
  readonly #keys = new Map<string, string>();

  constructor(...init: readonly string[]) {
    execFileSync('git', ['init', '--quiet', '--initial-branch=main', ...init, this.path], { env: this.env() });
  }

  env(over: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
    return {
      PATH: process.env['PATH'],
      HOME: this.dir,
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_COMMITTER_NAME: 'Somebody',
      GIT_COMMITTER_EMAIL: 'somebody@example.org',
      GIT_AUTHOR_NAME: 'Somebody',
      GIT_AUTHOR_EMAIL: 'somebody@example.org',
      ...over,
    };
  }

  git(args: readonly string[], over: NodeJS.ProcessEnv = {}): string {
    return execFileSync('git', ['-C', this.path, ...args], { env: this.env(over), stdio: ['ignore', 'pipe', 'pipe'] })
      .toString('utf8')
      .trim();
  }

  /** A new Ed25519 key of this name, made by `ssh-keygen`; gives its fingerprint. */
  key(name: string): string {
    const file = join(this.dir, name);
    if (!this.#keys.has(name)) {
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', file]);
      const key = parseSshPublicKey(readFileSync(`${file}.pub`, 'utf8'));
      if (!key.ok) throw new Error(key.refusal.message);
      this.#keys.set(name, key.value.fingerprint);
    }
    return this.#keys.get(name) ?? '';
  }

  /** Lets somebody's own key sign: both halves as OpenSSH writes them. */
  useKey(name: string, privateKey: string, publicLine: string): void {
    writeFileSync(join(this.dir, name), privateKey, { mode: 0o600 });
    writeFileSync(join(this.dir, `${name}.pub`), `${publicLine}\n`);
    this.#keys.set(name, publicLine);
  }

  /** Commits a change, signed by the key of this name; unsigned when it is null. Gives the commit's full id. */
  commit(signer: string | null, over: NodeJS.ProcessEnv = {}, args: readonly string[] = ['--allow-empty']): string {
    if (signer !== null) this.key(signer);
    const signing =
      signer === null
        ? ['-c', 'commit.gpgsign=false']
        : ['-c', 'gpg.format=ssh', '-c', `user.signingkey=${join(this.dir, signer)}`, '-c', 'commit.gpgsign=true'];
    this.git([...signing, 'commit', '--quiet', '-m', 'A change', ...args], over);
    return this.head();
  }

  head(): string {
    return this.git(['rev-parse', 'HEAD']);
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.path, name), text);
    this.git(['add', name]);
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}
