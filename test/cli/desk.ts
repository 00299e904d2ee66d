// SPDX-License-Identifier: Apache-2.0
// Everybody of a running server at a desk of their own: a home, a key file, and the real command line.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatOpenSshPrivateKey } from '../../src/crypto/openssh-private-key.ts';
import { parseJson } from '../../src/kernel/canonical-json.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import { keyOf } from '../support/world.ts';
import { runCli, startCli, type Ran } from './run-cli.ts';

export type Answered = Ran & { readonly data: JsonObject; readonly refusal: JsonObject };

const lastJson = (text: string): JsonObject => {
  const line = text.trim().split('\n').at(-1) ?? '';
  const parsed = line.startsWith('{') ? parseJson(line, { numbers: 'any', maxDepth: 64 }) : undefined;
  return parsed?.ok === true ? (parsed.value as JsonObject) : {};
};

export class Desks {
  readonly folder = mkdtempSync(join(tmpdir(), 'cs-desks-'));
  readonly url: string;
  readonly pin: string;

  constructor({ url, pin }: { readonly url: string; readonly pin: string }) {
    this.url = url;
    this.pin = pin;
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  home(name: string): string {
    return join(this.folder, `home-${name}`);
  }

  key(name: string): string {
    const file = join(this.folder, `${name}.key`);
    writeFileSync(file, formatOpenSshPrivateKey(keyOf(name), name), { mode: 0o600 });
    writeFileSync(`${file}.pub`, `${keyOf(name).public.line} ${name}\n`);
    return file;
  }

  env(name: string, server = this.url): Readonly<Record<string, string>> {
    return {
      COUNTERSIGN_SERVER: server,
      COUNTERSIGN_PIN: this.pin,
      COUNTERSIGN_HOME: this.home(name),
      COUNTERSIGN_KEY: this.key(name),
      HOME: this.folder,
    };
  }

  /** Runs a verb as somebody, on the trial ledger, with answers in JSON. */
  async run(name: string, args: readonly string[], over: Readonly<Record<string, string>> = {}): Promise<Answered> {
    const [verb = '', ...rest] = args;
    const ran = await runCli([verb, '--allow-trial', '--json', ...rest], {
      env: { ...this.env(name), ...over },
      cwd: this.folder,
    });
    return { ...ran, data: lastJson(ran.stdout), refusal: lastJson(ran.stderr) };
  }

  start(name: string, args: readonly string[], over: Readonly<Record<string, string>> = {}) {
    const [verb = '', ...rest] = args;
    return startCli([verb, '--allow-trial', '--json', ...rest], {
      env: { ...this.env(name), ...over },
      cwd: this.folder,
    });
  }

  write(name: string, content: string | Uint8Array): string {
    const file = join(this.folder, name);
    writeFileSync(file, content);
    return file;
  }

  read(name: string): string {
    return readFileSync(join(this.folder, name), 'utf8');
  }
}
