// SPDX-License-Identifier: Apache-2.0
// The real sequencer beside the test world: every command goes to both, so that both hold the same ledger.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryStore } from '../../src/adapters/memory/memory-store.ts';
import type { Mark, MarkKeeper } from '../../src/app/mark.ts';
import { startSequencer } from '../../src/app/sequencer.ts';
import { sha256 } from '../../src/crypto/digest.ts';
import { noteSigner } from '../../src/crypto/signed-note.ts';
import { ok, type JsonObject } from '../../src/kernel/refusal.ts';
import type { LedgerStore } from '../../src/ledger/store.ts';
import type { Command } from '../../src/lifecycle/command.ts';
import { lifecycle } from '../../src/lifecycle/lifecycle.ts';
import type { LedgerSequencer } from '../../src/server/ledger-folder.ts';
import { noticesConfig } from '../../src/server/notices-config.ts';
import { startNotices, type Notices, type NoticesOptions } from '../../src/server/notices.ts';
import { displayNames, strictPolicy } from '../server/page-sample.ts';
import { personOf, rosterRecords, World } from '../support/world.ts';
import { secretText } from './notices-receivers.ts';

export type Logged = { readonly level: string; readonly event: string; readonly fields: object };

export class Office {
  readonly world = new World(strictPolicy);
  readonly folder = mkdtempSync(join(tmpdir(), 'countersign-notices-'));
  readonly logs: Logged[] = [];
  store: LedgerStore = memoryStore();
  #mark: Mark | undefined;
  #sequencer: LedgerSequencer | undefined;
  #notices: Notices | undefined;
  // Real time runs on from the world's, so that waiting between tries is real.
  readonly #skew = Date.parse(this.world.time) - Date.now();

  get sequencer(): LedgerSequencer {
    assert.ok(this.#sequencer);
    return this.#sequencer;
  }

  get notices(): Notices {
    assert.ok(this.#notices);
    return this.#notices;
  }

  /** Starts the ledger, with its genesis when it is new, and lets it send to the channels given. */
  async start(config: unknown, over: Partial<NoticesOptions> = {}): Promise<this> {
    writeFileSync(join(this.folder, 'webhook.secret'), `${secretText}\n`, { mode: 0o600 });
    const mark: MarkKeeper = {
      read: () => ok(this.#mark),
      write: async (value: Mark) => {
        this.#mark = value;
      },
    };
    const started = await startSequencer({
      tenant: 'main',
      store: this.store,
      decider: lifecycle,
      origin: 'countersign-trial/0123456789abcdef0123456789abcdef',
      signer: noteSigner('countersign-trial/0123456789abcdef0123456789abcdef', sha256('log')),
      mark,
      now: () => Date.parse(this.world.time),
      fatal: (error) => {
        throw error;
      },
      onAlert: () => {},
      // One that joins others on their store begins without a mark of its own.
      acceptMissingMark: this.store.shared === true,
    });
    assert.ok(started.ok, started.ok ? '' : started.refusal.message);
    this.#sequencer = started.value;
    if (started.value.head().size === 0 && started.value.quarantine() === undefined)
      await this.submit(this.world.genesis(strictPolicy, rosterRecords()));
    const notices = await startNotices({
      sequencer: this.sequencer,
      store: this.store,
      config: noticesConfig.parse(config),
      dir: this.folder,
      publicUrl: () => 'https://countersign.example',
      people: () => displayNames,
      log: (level, event, fields) => void this.logs.push({ level, event, fields }),
      now: () => Date.now() + this.#skew,
      patience: { firstMs: 20, mostMs: 100, giveUpMs: 3 * 86_400_000 },
      timeoutMs: 1000,
      ...over,
    });
    assert.ok(notices.ok, notices.ok ? '' : notices.refusal.message);
    this.#notices = notices.value;
    return this;
  }

  async submit(command: Command): Promise<void> {
    const { decision } = await this.sequencer.submit(command, {
      attachments: this.world.blobs,
    });
    assert.equal(decision.kind, 'accepted', decision.kind === 'refused' ? decision.refusal.message : '');
  }

  async send(command: Command): Promise<void> {
    this.world.accept(command);
    await this.submit(command);
    assert.equal(this.sequencer.head().size, this.world.entries.length);
  }

  /** Asks and gives the request's id. */
  async ask(over: JsonObject = {}, by = 'ada'): Promise<string> {
    const command = this.world.request({ facts: { service: 'shop', risk: 80 }, ...over }, { by });
    await this.send(command);
    return command.request;
  }

  /** Waits until nothing is left to send, or says what is. */
  async quiet(withinMs = 5000): Promise<void> {
    await this.notices.caughtUp();
    await until(() => this.notices.figures().waiting === 0, withinMs);
  }

  async pause(): Promise<void> {
    await this.notices.stop();
    await this.sequencer.close();
  }

  async close(): Promise<void> {
    await this.pause();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export const until = async (holds: () => boolean, withinMs = 5000): Promise<void> => {
  const end = Date.now() + withinMs;
  while (!holds()) {
    assert.ok(Date.now() < end, `it did not come about within ${withinMs} ms`);
    await new Promise((done) => setTimeout(done, 5));
  }
};

export const webhookTo = (url: string, over: object = {}): object => ({
  url,
  'secret-file': 'webhook.secret',
  ...over,
});
export const mailTo = (port: number, names: readonly string[], over: object = {}): object => ({
  smtp: { host: '127.0.0.1', port, from: 'countersign@example.org' },
  addresses: Object.fromEntries(names.map((name) => [personOf(name), `${name}@example.org`])),
  ...over,
});
