// SPDX-License-Identifier: Apache-2.0
// A ledger that lies in PostgreSQL: founded there, served from there, looked at there (SPEC H8, H9, L15).
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { openPostgresStore } from '../../src/adapters/postgres/postgres-store.ts';
import { openLedgerSource, readIdentity } from '../../src/cli/ledger-source.ts';
import { fsck } from '../../src/app/fsck.ts';
import type { Accepted } from '../../src/contract/api.ts';
import { digestOf } from '../../src/crypto/digest.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import { refuse } from '../../src/kernel/refusal.ts';
import { StoreFailure, type LedgerStore } from '../../src/ledger/store.ts';
import { lifecycle } from '../../src/lifecycle/lifecycle.ts';
import { foundLedger } from '../../src/server/found-ledger.ts';
import { openLedger } from '../../src/server/ledger-folder.ts';
import { parseServerConfig } from '../../src/server/server-config.ts';
import { openStoreOf } from '../../src/server/store-config.ts';
import { mintToken } from '../../src/server/tokens.ts';
import { runCli } from '../cli/run-cli.ts';
import { addressOf, askPostgres, newSchema, postgresUrl, skip } from '../support/postgres.ts';
import { logSeed, serveFolder, signedGenesis, stopAll } from './running.ts';

after(stopAll);

const url = (await postgresUrl()) ?? '';
const { password } = addressOf(url === '' ? 'postgres://nobody@localhost/none' : url);
if (password !== null) process.env['PGPASSWORD'] = password;
const configFor = (schema: string, more = ''): string =>
  `store:\n  postgres: ${JSON.stringify(url.replace(/:[^:@/]*@/, '@'))}\n  schema: ${schema}\n  single: true\n${more}`;

const inFolder = async (work: (dir: string) => Promise<void>): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-'));
  try {
    await work(join(folder, 'data'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const storeOf = async (schema: string): Promise<LedgerStore> => {
  const opened = await openPostgresStore({ address: addressOf(url), schema, single: true });
  assert.ok(opened.ok, opened.ok ? '' : opened.refusal.message);
  return opened.value;
};

const founding = () => ({ ...signedGenesis(), logSeed });

describe('a ledger in PostgreSQL', { skip }, () => {
  it('is founded, served, stopped, served again and looked at; no file of it lies in the folder', () =>
    inFolder(async (dir) => {
      const schema = newSchema();
      const founded = await foundLedger(dir, { ...founding(), config: configFor(schema) });
      assert.ok(founded.ok, founded.ok ? '' : founded.refusal.message);
      assert.ok(!existsSync(join(dir, 'ledger')) && existsSync(join(dir, 'countersign.yaml')));
      const minted = mintToken(dir, { label: 'test', validMs: 86_400_000 });
      assert.ok(minted.ok);
      const first = await serveFolder(dir, minted.value.token, founded.value.ledger);
      const { request } = await first.permitted();
      await first.server.stop();
      const second = await serveFolder(dir, minted.value.token, founded.value.ledger);
      const shown = await second.get(`/v1/requests/${request.request}`);
      assert.equal(shown.status, 200);
      await second.server.stop();
      const source = await openLedgerSource(dir);
      assert.ok(source.ok, source.ok ? '' : source.refusal.message);
      const identity = await readIdentity(source.value);
      assert.ok(identity.ok && identity.value.ledger === founded.value.ledger);
      const { store, tenant, mark } = source.value;
      const checked = await fsck(store, tenant, lifecycle, identity.value.logKey, mark === undefined ? {} : { mark });
      await store.close();
      assert.ok(checked.ok && checked.value.sound && checked.value.entries > 3, JSON.stringify(checked));
    }));

  it('L25, L31, M1: the command line erases, holds, rebuilds and examines it, beside its server and after it', () =>
    inFolder(async (dir) => {
      const secret = join(dir, '..', 'password');
      writeFileSync(secret, password ?? '', { mode: 0o600 });
      const config = configFor(newSchema(), `  password-file: ${secret}\n`);
      const founded = await foundLedger(dir, { ...founding(), config });
      assert.ok(founded.ok, founded.ok ? '' : founded.refusal.message);
      const minted = mintToken(dir, { label: 'test', validMs: 86_400_000 });
      assert.ok(minted.ok);
      const served = await serveFolder(dir, minted.value.token, founded.value.ledger);
      const { request } = await served.permitted();
      const why = ['--why', 'case 1', '--dir', dir];
      const ran = async (...args: readonly string[]): Promise<string> => {
        const { code, stdout, stderr } = await runCli(args);
        assert.equal(code, 0, `${args.join(' ')}: ${stdout}${stderr}`);
        return `${stdout}${stderr}`;
      };
      await ran('ledger', 'hold', 'add', request.request, ...why);
      const held = await runCli(['ledger', 'erase', request.request, '--yes', ...why]);
      assert.match(held.stderr, /error\[text-held\]/);
      await ran('ledger', 'hold', 'remove', request.request, ...why);
      assert.match(await ran('ledger', 'erase', request.request, '--yes', ...why), /Erased \d/);
      assert.match(await ran('ledger', 'rebuild', '--dir', dir), /Built totals again/);
      assert.match(await ran('doctor', '--dir', dir), /ok +mark +at size \d+; the ledger lies in PostgreSQL/);
      await served.server.stop();
      assert.match(await ran('ledger', 'hold', 'list', '--dir', dir), /lifted +req_/);
      assert.match(await ran('ledger', 'rebuild', '--dir', dir), /Built totals again/);
      assert.match(await ran('ledger', 'replay', dir, '--accept-v0'), /sound: /);
      assert.match(await ran('doctor', '--dir', dir), /ok +ledger +sound/);
    }));

  it('starts in quarantine when an entry was changed', () =>
    inFolder(async (dir) => {
      const schema = newSchema();
      const founded = await foundLedger(dir, { ...founding(), config: configFor(schema) });
      assert.ok(founded.ok);
      await askPostgres(`update ${schema}.entries set bytes = bytes || ' '::bytea`);
      const alerts: number[] = [];
      const opened = await openLedger(dir, { onAlert: ({ index }) => void alerts.push(index) });
      assert.ok(opened.ok);
      assert.deepEqual(alerts, [0]);
      await opened.value.close();
    }));

  it('L15: is refused at the start, not quarantined and not called missing, while PostgreSQL cannot be reached', () =>
    inFolder(async (dir) => {
      const schema = newSchema();
      assert.ok((await foundLedger(dir, { ...founding(), config: configFor(schema) })).ok);
      const file = join(dir, 'countersign.yaml');
      const config = readFileSync(file, 'utf8');
      const alerts: unknown[] = [];
      const onAlert = (quarantine: unknown): void => void alerts.push(quarantine);
      writeFileSync(file, config.replace(/"postgres:.*"/, '"postgres://nobody@127.0.0.1:1/none"'));
      const away = await openLedger(dir, { onAlert });
      assert.ok(!away.ok && away.refusal.code === 'store-unreachable', JSON.stringify(away));
      assert.match(away.refusal.help ?? '', /look at PostgreSQL and the network/);
      writeFileSync(file, config);
      // It goes away after it was there, at any of the first reads.
      for (const method of ['entries', 'head', 'checkpoint', 'confirm'] as const)
        for (let spared = 0; spared < 2; spared += 1) {
          const store = await storeOf(schema);
          let calls = 0;
          const gone = new StoreFailure(
            refuse('store-unreachable', 'L15', 'it is gone', {}, '').refusal,
            'nothing-written',
          );
          const frail = (...args: unknown[]): Promise<unknown> => {
            calls += 1;
            return calls > spared
              ? Promise.reject(gone)
              : (store[method] as (...given: unknown[]) => Promise<unknown>)(...args);
          };
          const opened = await openLedger(dir, { onAlert, store: { ...store, [method]: frail } });
          if (opened.ok) {
            assert.equal(calls, spared, method);
            await opened.value.close();
          } else assert.equal(opened.refusal.code, 'store-unreachable', `${method} ${spared}`);
          await store.close();
        }
      assert.deepEqual(alerts, []);
    }));

  it('is not founded over, and a founding that is refused leaves no folder', () =>
    inFolder(async (dir) => {
      const schema = newSchema();
      assert.ok((await foundLedger(dir, { ...founding(), config: configFor(schema) })).ok);
      const other = join(dir, '..', 'other');
      const over = await foundLedger(other, { ...founding(), config: configFor(schema) });
      assert.ok(!over.ok && over.refusal.code === 'folder-exists', JSON.stringify(over));
      const away = configFor(schema).replace(/"postgres:.*"/, '"postgres://nobody@127.0.0.1:1/none"');
      const refused = await foundLedger(other, { ...founding(), config: away });
      assert.ok(!refused.ok && refused.refusal.code === 'store-unreachable', JSON.stringify(refused));
      assert.deepEqual(readdirSync(join(dir, '..')), ['data']);
      writeFileSync(join(dir, 'countersign.yaml'), configFor(newSchema()));
      const empty = await openLedger(dir);
      assert.ok(
        !empty.ok || empty.value.sequencer.quarantine() !== undefined,
        'another, empty place is not this ledger',
      );
      if (empty.ok) await empty.value.close();
    }));

  it('H9: takes no password in its configuration, none that others may read, and no file that is not there', () =>
    inFolder(async (dir) => {
      const schema = newSchema();
      const try_ = async (config: string) => {
        const founded = await foundLedger(dir, { ...founding(), config });
        assert.ok(!founded.ok);
        assert.doesNotMatch(JSON.stringify(founded), /secret-word-42/);
        return founded.refusal;
      };
      const inside = await try_('store: {postgres: "postgres://ada:secret-word-42@db/gate"}');
      assert.ok(inside.code === 'config-malformed' && /password/.test(inside.message));
      const file = join(dir, '..', 'password');
      writeFileSync(file, 'secret-word-42\n', { mode: 0o644 });
      assert.equal((await try_(configFor(schema, `  password-file: ${file}\n`))).code, 'file-too-open');
      assert.match((await try_(configFor(schema, '  ca-file: nothing.pem\n'))).message, /ca-file.*nothing.pem/);
      const misspelt = parseServerConfig('store:\n  postgres: x\n  singel: true\n');
      assert.ok(!misspelt.ok && /line 3.*store.singel/.test(misspelt.refusal.message));
    }));

  it('L31, L25: texts are held and erased, and views built, where the ledger lies, and not in what another left in the folder', () =>
    inFolder(async (dir) => {
      const schema = newSchema();
      const founded = await foundLedger(dir, { ...founding(), config: configFor(schema) });
      assert.ok(founded.ok, founded.ok ? '' : founded.refusal.message);
      const minted = mintToken(dir, { label: 'test', validMs: 86_400_000 });
      assert.ok(minted.ok);
      const running = await serveFolder(dir, minted.value.token, founded.value.ledger);
      const reason = { salt: '1'.repeat(32), text: 'Ada Lovelace asked me to' };
      const asked = running.requestBody({ reason: digestOf(canonicalize(reason)) });
      const { body } = await running.post<Accepted>('/v1/requests', { ...asked, reason });
      const env = password === null ? {} : { PGPASSWORD: password };
      const ledger = (...args: readonly string[]) => runCli(['ledger', ...args, '--dir', dir, '--json'], { env });
      const erase = () => ledger('erase', body.request, '--why', 'case 7', '--yes');
      for (const stage of ['served', 'stopped']) {
        // What lay there before the ledger was kept in PostgreSQL.
        if (stage === 'served') await ((await openStoreOf(dir, undefined)) as { value: LedgerStore }).value.close();
        if (stage === 'stopped') await running.server.stop();
        const held = await ledger('hold', 'add', '*', '--why', stage);
        assert.equal(held.code, 0, held.stderr);
        assert.deepEqual(JSON.parse(held.stdout), { held: '*', already: false });
        const refused = await erase();
        assert.match(refused.stderr, /text-held/, stage);
        const rows = await askPostgres(`select why from ${schema}.holds where lifted_at is null`);
        assert.deepEqual(rows, [{ why: JSON.stringify(stage) }]);
        assert.equal((await ledger('hold', 'remove', '*', '--why', 'over')).code, 0);
        const built = await ledger('rebuild');
        assert.equal(built.code, 0, built.stderr);
      }
      assert.equal((await askPostgres(`select * from ${schema}.openings`)).length, 1);
      const erased = await erase();
      assert.equal((JSON.parse(erased.stdout) as { erased: string[] }).erased.length, 1, erased.stderr);
      assert.equal((await askPostgres(`select * from ${schema}.openings`)).length, 0);
    }));

  it('H8: gets tokens, and is looked at by doctor, without a ledger in the folder', () =>
    inFolder(async (dir) => {
      const founded = await foundLedger(dir, { ...founding(), config: configFor(newSchema()) });
      assert.ok(founded.ok, founded.ok ? '' : founded.refusal.message);
      const env = password === null ? {} : { PGPASSWORD: password };
      const token = await runCli(['token', 'create', '--dir', dir, '--name', 'ci', '--expires', '1d'], { env });
      assert.equal(token.code, 0, token.stderr);
      const doctor = await runCli(['doctor', '--dir', dir, '--json'], { env });
      assert.match(doctor.stdout, /at size 1; the ledger lies in PostgreSQL/, doctor.stderr);
    }));

  it('H8: of two that found in one place at once one does, and the other leaves nothing behind', () =>
    inFolder(async (dir) => {
      const config = configFor(newSchema());
      const other = { ...signedGenesis({ nonce: 'f'.repeat(32) }), logSeed };
      const dirs = [dir, `${dir}-other`];
      const both = await Promise.all([
        foundLedger(dirs[0] ?? '', { ...founding(), config }),
        foundLedger(dirs[1] ?? '', { ...other, config }),
      ]);
      assert.equal(both.filter(({ ok }) => ok).length, 1, JSON.stringify(both));
      const won = both.findIndex(({ ok }) => ok);
      assert.ok(!existsSync(dirs[1 - won] ?? ''));
      const opened = await openLedger(dirs[won] ?? '');
      assert.ok(opened.ok, opened.ok ? '' : opened.refusal.message);
      const quarantine = opened.value.sequencer.quarantine();
      await opened.value.close();
      assert.equal(quarantine, undefined);
    }));
});
