// SPDX-License-Identifier: Apache-2.0
// Three real `countersign serve` of one ledger in a real PostgreSQL, of which a test kills one and stops another.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { openPostgresStore } from '../../src/adapters/postgres/postgres-store.ts';
import type { LedgerStore } from '../../src/ledger/store.ts';
import { foundLedger } from '../../src/server/found-ledger.ts';
import type { RunningServer } from '../../src/server/serve.ts';
import { mintToken } from '../../src/server/tokens.ts';
import { logSeed, Running, signedGenesis } from '../server/running.ts';
import { addressOf, askPostgres, newSchema, postgresUrl } from '../support/postgres.ts';
import { day } from '../support/world.ts';
import { pause, startChild, type Child } from './killed-child.ts';

const program = join(import.meta.dirname, '..', '..', 'bin', 'countersign.mjs');
/** Longer than PostgreSQL lets a session sit in a transaction and say nothing. */
export const sessionMs = 10_500;

export type Member = { readonly name: string; readonly dir: string; child: Child; running: Running };

export class ServerTrio {
  readonly schema: string;
  readonly members: readonly Member[];
  readonly pin: string;
  readonly #env: NodeJS.ProcessEnv;

  private constructor(schema: string, pin: string, members: readonly Member[], env: NodeJS.ProcessEnv) {
    [this.schema, this.pin, this.members, this.#env] = [schema, pin, members, env];
  }

  /** Founds a ledger and serves it from three folders; `more` stands in every `countersign.yaml`. */
  static async open(t: TestContext, more: string): Promise<ServerTrio> {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const url = (await postgresUrl()) ?? '';
    const schema = newSchema();
    const config = `store:\n  postgres: ${JSON.stringify(url.replace(/:[^:@/]*@/, '@'))}\n  schema: ${schema}\n  single: true\n${more}`;
    const first = join(folder, 'a');
    const env = { ...process.env, COUNTERSIGN_HOME: join(folder, 'home'), NO_COLOR: '1' };
    const { password } = addressOf(url);
    if (password !== null) process.env['PGPASSWORD'] = password;
    const founded = await foundLedger(first, { ...signedGenesis(), logSeed, config });
    assert.ok(founded.ok, founded.ok ? '' : founded.refusal.message);
    const minted = mintToken(first, { label: 'test', validMs: day });
    assert.ok(minted.ok);
    const [pin, { token }] = [founded.value.ledger, minted.value];
    const members = ['a', 'b', 'c'].map((name): Member => {
      const dir = join(folder, name);
      mkdirSync(dir, { recursive: true });
      if (dir !== first)
        for (const file of ['log.key', 'tokens.json', 'countersign.yaml']) cpSync(join(first, file), join(dir, file));
      const running = new Running(dir, { url: '' } as RunningServer, token, pin, []);
      return { name, dir, child: undefined as never, running };
    });
    const trio = new ServerTrio(schema, pin, members, password === null ? env : { ...env, PGPASSWORD: password });
    t.after(async () => {
      for (const { child } of members) await (child as Child | undefined)?.kill();
    });
    await Promise.all(members.map((member) => trio.start(member, member.dir !== first)));
    return trio;
  }

  /** A file for each folder's owner alone, such as a secret. */
  static secretIn(t: TestContext, text: string): string {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, 'secret');
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  }

  async start(member: Member, withoutMark = false): Promise<void> {
    const { dir, running } = member;
    const args = ['serve', '--dir', dir, '--listen', '127.0.0.1:0', ...(withoutMark ? ['--accept-missing-mark'] : [])];
    member.child = startChild(process.execPath, [program, ...args], this.#env);
    const url = (await member.child.line('Listening on')).split(/\s+/).at(-1) ?? '';
    member.running = new Running(dir, { url } as RunningServer, running.token, this.pin, []);
  }

  /**
   * Stops a process where it stands, if it can be met in the middle of a batch: while its session holds the head. Tells
   * whether it was.
   */
  async freezeInBatch({ child }: Member, tries: number): Promise<boolean> {
    for (let at = 1; ; at += 1) {
      child.process.kill('SIGSTOP');
      await pause(150);
      if (await this.#holding(100)) return true;
      if (at === tries) return false;
      child.process.kill('SIGCONT');
      // A step as regular as the load's own would meet it between its batches every time.
      await pause(20 + Math.random() * 60);
    }
  }

  /** Whether a session has sat in a transaction and said nothing for so long. */
  async #holding(forMs: number): Promise<boolean> {
    const [row] = await askPostgres(`select count(*)::int as silent from pg_stat_activity
      where application_name = 'countersign ${this.schema}' and state like 'idle in transaction%'
      and clock_timestamp() - state_change > interval '${forMs} milliseconds'`);
    return Number(row?.['silent']) > 0;
  }

  /** Nobody's session outlives its time, whatever its process does. */
  async assertNoneHolds(): Promise<void> {
    assert.ok(!(await this.#holding(sessionMs)), 'PostgreSQL has ended the session of the stopped process');
  }

  async store(): Promise<LedgerStore> {
    const address = addressOf((await postgresUrl()) ?? '');
    const opened = await openPostgresStore({ address, schema: this.schema, single: true });
    assert.ok(opened.ok, opened.ok ? '' : opened.refusal.message);
    return opened.value;
  }
}
