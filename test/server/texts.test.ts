// SPDX-License-Identifier: Apache-2.0
// SPEC L31: texts that are erased or held; what was signed stays, replays, and says what is gone.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import { openSqliteStore } from '../../src/adapters/sqlite/sqlite-store.ts';
import type { Accepted } from '../../src/contract/api.ts';
import { digestOf } from '../../src/crypto/digest.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import { carryOut } from '../../src/server/text-orders.ts';
import { sharedMemory } from '../app/shared-stores.ts';
import { runCli } from '../cli/run-cli.ts';
import { serveFolder, startRunning, stopAll, type Running } from './running.ts';

after(stopAll);

type Report = { sound: boolean; texts: Record<string, number>; damage: { index: number; what: string } | null };

const ledger = (running: Running, ...args: readonly string[]) =>
  runCli(['ledger', ...args, '--dir', running.dir, '--json']);
const replay = async (running: Running): Promise<Report> =>
  JSON.parse((await ledger(running, 'replay')).stdout) as Report;

const text = 'Ada Lovelace, born 1815, asked me to';
/** Asks with a reason, and votes with a comment, both of which name a person. */
const asked = async (running: Running, salt: string) => {
  const reason = { salt: salt.repeat(32), text };
  const comment = { salt: salt.repeat(32), text: `${text}, too` };
  const [reasonIs, commentIs] = [digestOf(canonicalize(reason)), digestOf(canonicalize(comment))];
  const body = running.requestBody({ reason: reasonIs });
  const { body: request } = await running.post<Accepted>('/v1/requests', { ...body, reason });
  const vote = await running.voteBody(request.request, 'linus', { comment: commentIs });
  const voted = await running.post(`/v1/requests/${request.request}/votes`, { ...vote, comment });
  assert.equal(voted.status, 201, JSON.stringify(voted.body));
  return { id: request.request, reasonIs, commentIs, body: { ...body, reason } };
};
// Not the lock's file: whoever closes it in this very process lets go of the server's lock (POSIX), and it holds no text.
const filesWith = (dir: string, words: string): readonly string[] =>
  readdirSync(join(dir, 'ledger'))
    .filter((file) => file !== 'store.lock')
    .filter((file) => readFileSync(join(dir, 'ledger', file)).includes(words));

test('SPEC L31: erased while it serves: gone from every file, shown as erased, replayed as before, counted', async () => {
  const running = await startRunning();
  const { id, reasonIs, commentIs, body } = await asked(running, '1');
  const other = await asked(running, '2');
  assert.equal((await running.show(id)).reason, text);
  assert.ok(filesWith(running.dir, text).length > 0);
  const entries = await running.get<{ entries: string[] }>('/v1/ledger/entries?from=0');

  const erased = await ledger(running, 'erase', id, '--why', 'asked for, case 7', '--yes');
  assert.equal(erased.code, 0, erased.stderr);
  const done = JSON.parse(erased.stdout) as { erased: string[] };
  assert.deepEqual(done, { erased: [reasonIs, commentIs], before: [], never: [], shared: [] });
  const view = await running.show(id);
  assert.deepEqual([view.reason, view.reason_salt, view.reason_state], [null, null, 'erased']);
  assert.equal(view.reason_erased?.why, 'asked for, case 7');
  assert.equal((await running.show(other.id)).reason, text, 'another request keeps its own');
  const page = await fetch(`${running.url}/requests/${id}`, {
    headers: { accept: 'text/html', authorization: `Bearer ${running.token}` },
  });
  assert.match(await page.text(), /The text was erased on[\s\S]*asked for, case 7/);

  // Whoever sends the statement again with its text does not bring it back.
  await running.post('/v1/requests', body);
  assert.equal((await running.show(id)).reason_state, 'erased');

  await ledger(running, 'erase', other.id, '--why', 'all of it', '--yes');
  assert.deepEqual(filesWith(running.dir, text), [], 'no byte of it in any file of the ledger');
  const after = await running.get<{ entries: string[] }>('/v1/ledger/entries?from=0');
  assert.deepEqual(after.body.entries.slice(0, entries.body.entries.length), entries.body.entries);
  await running.server.stop();
  const log = running.logs.join('');
  assert.match(log, /"text-order".*"erase"/);
  assert.ok(!log.includes('case 7'));
  const report = await replay(running);
  assert.deepEqual([report.sound, report.texts], [true, { named: 4, kept: 0, erased: 4, none: 0 }]);
  const again = await serveFolder(running.dir, running.token, running.pin);
  assert.equal((await again.info()).quarantine, null, 'it replays without the texts');
  assert.equal((await again.show(id)).reason_state, 'erased');
  assert.equal((await again.permit(id)).status, 200, 'and goes on');
  await again.close();
});

test('SPEC L31: a legal hold of a request, a text or everything makes erasing refuse, over restarts, until it is lifted', async () => {
  const running = await startRunning();
  const { id, reasonIs } = await asked(running, '3');
  for (const [name, what] of [
    [id, id],
    [reasonIs, id],
    [id, reasonIs],
    ['*', reasonIs],
  ] as const) {
    const put = await ledger(running, 'hold', 'add', name, '--why', 'a lawsuit');
    assert.equal(put.code, 0, put.stderr);
    const refused = await ledger(running, 'erase', what, '--why', 'asked for', '--yes');
    assert.equal(refused.code, 5);
    assert.match(refused.stderr, /"text-held".*a legal hold of `.*a lawsuit/);
    assert.equal((await running.show(id)).reason, text, 'nothing of it was erased');
    assert.equal((await ledger(running, 'hold', 'remove', name, '--why', 'settled')).code, 0);
  }
  await ledger(running, 'hold', 'add', '*', '--why', 'another lawsuit');
  await running.server.stop();
  const stopped = await ledger(running, 'erase', id, '--why', 'asked for', '--yes');
  assert.equal(stopped.code, 5, 'it outlives the server');
  const held = JSON.parse((await ledger(running, 'hold', 'list')).stdout) as { name: string; lifted: unknown }[];
  assert.deepEqual(
    held.map(({ name, lifted }) => [name, lifted !== null]),
    [
      [id, true],
      [reasonIs, true],
      [id, true],
      ['*', true],
      ['*', false],
    ],
  );
  await ledger(running, 'hold', 'remove', '*', '--why', 'settled');
  assert.equal((await ledger(running, 'erase', reasonIs, '--why', 'asked for', '--yes')).code, 0);
  const report = await replay(running);
  assert.deepEqual(report.texts, { named: 2, kept: 1, erased: 1, none: 0 });
  await running.close();
});

test('SPEC L31: whoever names the text of another in their own request does not get it erased with that', async () => {
  const running = await startRunning();
  const { id, reasonIs, commentIs } = await asked(running, 'a');
  // Commitments are there for every reader to see; who signs one need not know the text.
  const { body: own } = await running.post<Accepted>('/v1/requests', running.requestBody({ reason: reasonIs }));
  const erase = (what: string) => ledger(running, 'erase', what, '--why', 'asked for', '--yes');
  const none = { erased: [], before: [], never: [], shared: [] };
  assert.deepEqual(JSON.parse((await erase(own.request)).stdout), { ...none, shared: [reasonIs] });
  assert.equal((await running.show(id)).reason, text);
  // Nor do they keep it from being erased: named by itself it is, and the rest of the request is at once.
  const rest = await erase(id);
  assert.deepEqual(JSON.parse(rest.stdout), { ...none, erased: [commentIs], shared: [reasonIs] });
  assert.deepEqual(JSON.parse((await erase(reasonIs)).stdout), { ...none, erased: [reasonIs] });
  assert.equal((await running.show(id)).reason_state, 'erased');
  await running.close();
});

test('SPEC L31: what is erased has to be named, meant and explained; an order that was left lying is not carried out', async () => {
  const running = await startRunning();
  const { id } = await asked(running, '4');
  for (const [args, code, words] of [
    [['erase', `req_${'0'.repeat(26)}`, '--why', 'x', '--yes'], 5, /text-unknown/],
    [['erase', 'everything', '--why', 'x', '--yes'], 5, /text-unknown/],
    [['erase', '*', '--why', 'x', '--yes'], 5, /text-unknown/],
    [['erase', id, '--yes'], 2, /--why is missing/],
    [['erase', id, '--why', ' ', '--yes'], 2, /why/],
    [['erase', id, '--why', 'two\nlines', '--yes'], 2, /why/],
    [['erase', id, '--why', 'x'], 2, /nobody confirmed/],
    [['hold', 'add', 'nothing', '--why', 'x'], 5, /text-unknown/],
    [['hold', 'remove', id, '--why', 'x'], 5, /no hold of that name stands/],
  ] as const) {
    const ran = await ledger(running, ...args);
    assert.equal(ran.code, code, `${args.join(' ')}: ${ran.stderr}`);
    assert.match(ran.stderr, words);
  }
  const orders = join(running.dir, 'orders');
  mkdirSync(orders, { recursive: true });
  const put = (name: string, body: string, mode = 0o600): string => {
    const file = join(orders, name);
    writeFileSync(file, body, { mode });
    return file;
  };
  const order = JSON.stringify({ do: 'erase', what: id, why: 'x' });
  const old = put(`${'a'.repeat(16)}.json`, order);
  utimesSync(old, new Date(0), new Date(0));
  put(`${'b'.repeat(16)}.json`, order, 0o666);
  put(`${'c'.repeat(16)}.json`, '{"do":"erase"');
  put('strange.json', order);
  for (const name of ['a', 'b', 'c']) {
    const file = join(orders, `${name.repeat(16)}.json`);
    for (let waited = 0; existsSync(file) && waited < 5000; waited += 50)
      await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok(!existsSync(file), name);
  }
  assert.equal((await running.show(id)).reason, text);
  await running.close();
});

test('SPEC L31: a text that was changed or brought back behind the server is found, named, and not shown as said', async () => {
  const running = await startRunning();
  const { id, commentIs } = await asked(running, '5');
  const erased = await ledger(running, 'erase', commentIs, '--why', 'asked for', '--yes');
  assert.equal(erased.code, 0, erased.stderr);
  const sql = (statement: string): void => {
    const db = new DatabaseSync(join(running.dir, 'ledger', 'ledger-main.sqlite'));
    db.exec(statement);
    db.close();
  };
  sql("UPDATE openings SET text = 'something else'");
  assert.equal((await running.show(id)).reason_state, 'altered');
  const page = await fetch(`${running.url}/requests/${id}`, {
    headers: { accept: 'text/html', authorization: `Bearer ${running.token}` },
  });
  const html = await page.text();
  assert.match(html, /The text was changed/);
  assert.ok(!html.includes('something else'));
  await running.server.stop();
  const altered = await replay(running);
  assert.equal(altered.damage?.index, 1);
  assert.match(altered.damage?.what ?? '', /not the one that was signed for/);
  const hashed = await ledger(running, 'fsck');
  assert.equal(hashed.code, 7, 'a look at the bytes alone finds it as well');
  assert.match(hashed.stdout, /not the one that was signed for/);
  sql(`DELETE FROM openings; INSERT INTO openings VALUES ('${commentIs}', '${'5'.repeat(32)}', '${text}, too')`);
  const back = await replay(running);
  assert.equal(back.damage?.index, 2);
  assert.match(back.damage?.what ?? '', /there again although it was erased/);
  sql("INSERT INTO holds (name, at, why) VALUES ('*' || char(27) || '[8m', char(27) || '[2J', 'x')");
  const listed = await runCli(['ledger', 'hold', 'list', '--dir', running.dir]);
  assert.match(listed.stdout, /held/);
  assert.ok(!listed.stdout.includes('\u001b'), 'what was changed is shown, and moves no cursor');
  sql('DELETE FROM openings; DELETE FROM erasures; DELETE FROM holds');
  const report = await replay(running);
  assert.deepEqual([report.sound, report.texts], [true, { named: 2, kept: 0, erased: 0, none: 2 }]);
  await running.close();
});

test('SPEC L31: an export carries the texts that are left, under names that prove them, and says which were erased', async () => {
  const running = await startRunning();
  const { reasonIs, commentIs } = await asked(running, '6');
  await running.server.stop();
  await ledger(running, 'erase', commentIs, '--why', 'asked for', '--yes');
  const out = join(running.dir, '..', 'export');
  assert.equal((await runCli(['ledger', 'export', out, '--dir', running.dir])).code, 0);
  assert.deepEqual(readdirSync(join(out, 'opening')), [reasonIs.slice(7)]);
  assert.deepEqual(readdirSync(join(out, 'erased')), [commentIs.slice(7)]);
  assert.equal(digestOf(readFileSync(join(out, 'opening', reasonIs.slice(7)))), reasonIs);
  const verify = async (): Promise<Report & { code: number | null }> => {
    const { code, stdout } = await runCli(['ledger', 'verify', out, '--pin', running.pin, '--allow-trial', '--json']);
    return { ...(JSON.parse(stdout) as Report), code };
  };
  const sound = await verify();
  assert.deepEqual([sound.code, sound.texts], [0, { named: 2, kept: 1, erased: 1, none: 0 }]);
  writeFileSync(join(out, 'opening', reasonIs.slice(7)), canonicalize({ salt: '6'.repeat(32), text: 'a lie' }));
  const lied = await verify();
  assert.deepEqual([lied.code, lied.damage?.index], [7, 1]);
  const bare = join(running.dir, '..', 'bare');
  await runCli(['ledger', 'export', bare, '--dir', running.dir, '--no-texts']);
  assert.ok(!existsSync(join(bare, 'opening')));
  const store = openSqliteStore(join(running.dir, 'ledger'));
  assert.ok(store.ok);
  assert.equal((await store.value.opening('main', reasonIs))?.text, text, 'an export takes nothing away');
  await store.value.close();
  await running.close();
});

test('SPEC L31: texts go through import and restore, never back to where they were erased; strange ones are named', async () => {
  const running = await startRunning();
  const { id, reasonIs, commentIs } = await asked(running, '7');
  const later = await asked(running, '8');
  await running.server.stop();
  const at = (name: string): string => join(running.dir, '..', name);
  const run = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await runCli(['ledger', ...args, '--json']);
    return { code, stderr, ...(stdout === '' ? {} : (JSON.parse(stdout) as Record<string, unknown>)) } as {
      readonly code: number | null;
      readonly stderr: string;
      readonly [name: string]: unknown;
    };
  };
  const texts = async (dir: string): Promise<unknown> => (await run('replay', '--dir', dir))['texts'];
  const importing = (copy: string, dir: string) =>
    run('import', at(copy), at(dir), '--pin', running.pin, '--allow-trial');
  await run('export', at('bare'), '--dir', running.dir, '--no-texts');
  await run('export', at('whole'), '--dir', running.dir);
  await ledger(running, 'erase', commentIs, '--why', 'asked for', '--yes');
  await run('export', at('copy'), '--dir', running.dir);

  assert.equal((await importing('copy', 'made')).code, 0);
  assert.deepEqual(await texts(at('made')), { named: 4, kept: 3, erased: 1, none: 0 });
  const back = await run('restore', '--dir', at('made'), '--from', at('whole'));
  assert.deepEqual([back.code, back['texts']], [0, 0], 'what was erased here does not come back');
  assert.deepEqual(await texts(at('made')), { named: 4, kept: 3, erased: 1, none: 0 });

  assert.equal((await importing('bare', 'filled')).code, 0);
  assert.deepEqual(await texts(at('filled')), { named: 4, kept: 0, erased: 0, none: 4 });
  await run('hold', 'add', '*', '--why', 'a lawsuit', '--dir', at('filled'));
  assert.equal((await run('restore', '--dir', at('filled'), '--from', at('whole')))['texts'], 4);
  const kept = await run('restore', '--dir', at('filled'), '--from', at('copy'));
  assert.deepEqual([kept.code, kept['texts']], [0, 0]);
  assert.match(kept.stderr, /1 texts are kept in .* that were erased in/);
  assert.deepEqual(await texts(at('filled')), { named: 4, kept: 4, erased: 0, none: 0 }, 'a copy erases nothing');

  // Of a text that is not there yet, too: while it is held here, no copy says that it is gone.
  for (const [name, held] of [
    ['by-text', commentIs],
    ['by-request', id],
  ] as const) {
    assert.equal((await importing('bare', name)).code, 0);
    await run('hold', 'add', held, '--why', 'a lawsuit', '--dir', at(name));
    const taken = await run('restore', '--dir', at(name), '--from', at('copy'));
    assert.deepEqual([taken.code, taken['texts']], [0, 3], taken.stderr);
    assert.equal((await run('restore', '--dir', at(name), '--from', at('whole')))['texts'], 1, name);
    assert.deepEqual(await texts(at(name)), { named: 4, kept: 4, erased: 0, none: 0 });
  }

  const stray = canonicalize({ salt: '9'.repeat(32), text: 'never asked' });
  for (const [path, words, what] of [
    [`opening/${digestOf(stray).slice(7)}`, stray, /no entry names `opening/],
    [`erased/${later.reasonIs.slice(7)}`, 'x', /is no text of a ledger folder/],
    [`opening/${reasonIs.slice(7)}`, stray, /not the one that was signed for/],
  ] as const) {
    const file = join(at('copy'), path);
    const before = existsSync(file) ? readFileSync(file) : undefined;
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, words);
    for (const refused of [
      await importing('copy', 'no'),
      await run('restore', '--dir', at('made'), '--from', at('copy')),
    ]) {
      assert.match(refused.stderr, what, path);
      assert.notEqual(refused.code, 0);
    }
    assert.ok(!existsSync(at('no')));
    if (before === undefined) rmSync(file);
    else writeFileSync(file, before);
  }
  assert.equal((await importing('copy', 'yes')).code, 0, id);
  await running.close();
});

test('SPEC L17, L31: where servers share a store, a hold has the store’s time and not that of whoever gives it', async () => {
  const store = sharedMemory(() => Date.UTC(2026, 10, 23));
  const held = await carryOut(store, { do: 'hold', what: '*', why: 'a lawsuit' }, Date.UTC(2031, 0, 1));
  assert.ok(held.ok);
  assert.deepEqual(
    (await store.holds('main')).map(({ at }) => at),
    ['2026-11-23T00:00:00.000Z'],
  );
});
