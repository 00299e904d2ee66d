// SPDX-License-Identifier: Apache-2.0
// A real target over real HTTP: what it serves changes with a permit for that very artefact, and by nothing else.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { instantFromMs } from '../../src/kernel/instant.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import type { Permit } from '../../src/request/request-state.ts';
import { startStaticSite, type StaticSiteOptions } from '../../src/enforce/static-site.ts';
import { minute } from '../support/world.ts';
import { valueOf } from '../verify/sealed-world.ts';
import { artefact, DeployingWorld, folderFor, offlineAction } from './deploying-world.ts';

const first = artefact({ 'index.html': '<h1>one</h1>', 'app/index.html': 'inner', 'style.css': 'h1{}' });
const second = artefact({ 'index.html': '<h1>two</h1>' });

const start = async (
  context: TestContext,
  world: DeployingWorld,
  folder: string,
  over: Partial<StaticSiteOptions> = {},
) => {
  const site = valueOf(
    await startStaticSite({
      folder,
      pin: world.ledger,
      instance: 'web',
      action: 'deploy.production',
      fact: 'artifact',
      minPersons: 2,
      allowTrial: true,
      now: () => world.time,
      ...over,
    }),
  );
  context.after(site.stop);
  return site;
};
type Answered = { status: number; body: { [field: string]: unknown } };
const post = async (url: string, body: unknown): Promise<Answered> => {
  const response = await fetch(url, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) });
  return { status: response.status, body: (await response.json()) as Answered['body'] };
};
const page = async (url: string): Promise<string> => (await fetch(url)).text();
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const permitOf = (world: DeployingWorld, id: string): Permit => world.stateOf(id).permit ?? assert.fail('no permit');

const deploy = async (url: string, world: DeployingWorld, id: string, content: string): Promise<Answered> => {
  const permit_file = world.permitFile(id);
  const drawn = await post(`${url}/challenge`, { permit_file });
  assert.equal(drawn.status, 200, JSON.stringify(drawn.body));
  const { challenge, seen } = drawn.body as { challenge: string; seen: { size: number; root: string } | null };
  const use = world.consume({ permit: permitOf(world, id), challenge, seen });
  return post(`${url}/deploy`, { permit_file, artefact: base64(content), use });
};

test('a permit lets its artefact in, once; the site serves it, whole, also after a restart', async (context) => {
  const world = new DeployingWorld();
  const folder = folderFor(context);
  const site = await start(context, world, folder);
  assert.equal((await fetch(site.url)).status, 404);
  const id = world.deployment(first);
  const deployed = await deploy(site.url, world, id, first);
  assert.equal(deployed.status, 200, JSON.stringify(deployed.body));
  assert.equal(await page(site.url), '<h1>one</h1>');
  assert.equal(await page(`${site.url}/app/`), 'inner');
  assert.equal((await fetch(`${site.url}/style.css`)).headers.get('content-type'), 'text/css; charset=utf-8');
  const again = await post(`${site.url}/challenge`, { permit_file: world.permitFile(id) });
  assert.deepEqual([again.status, again.body['code']], [409, 'permit-used']);
  const next = world.deployment(second);
  assert.equal((await deploy(site.url, world, next, second)).status, 200);
  await site.stop();
  const restarted = await start(context, world, folder);
  assert.equal(await page(restarted.url), '<h1>two</h1>');
  assert.equal((await fetch(`${restarted.url}/style.css`)).status, 404, 'nothing of the version before is left');
  const { permit } = JSON.parse(await page(`${restarted.url}/.well-known/countersign`)) as { permit: string };
  assert.equal(permit, permitOf(world, next).permit);
});

test('a changed artefact, no permit, a malformed body, a path that leads out: refused, and the site stays as it was', async (context) => {
  const world = new DeployingWorld();
  const site = await start(context, world, folderFor(context));
  assert.equal((await deploy(site.url, world, world.deployment(first), first)).status, 200);
  const id = world.deployment(second);
  const permit_file = world.permitFile(id);
  const drawn = (await post(`${site.url}/challenge`, { permit_file })).body as never;
  const use = world.consume({ ...(drawn as object), permit: permitOf(world, id) } as never);
  const trying = async (body: JsonObject): Promise<unknown[]> => {
    const { status, body: answer } = await post(`${site.url}/deploy`, body);
    return [status, answer['code']];
  };
  const good = { permit_file, artefact: base64(second), use } as unknown as JsonObject;
  const evil = artefact({ '../../etc/passwd': 'x' });
  assert.deepEqual(await trying({ ...good, artefact: base64(first) }), [403, 'permit-wrong-change']);
  assert.deepEqual(await trying({ ...good, artefact: base64(evil) }), [400, 'shape-mismatch']);
  assert.deepEqual(await trying({ ...good, permit_file: '{}' }), [400, 'shape-mismatch']);
  assert.deepEqual(await trying({ ...good, more: 1 }), [400, 'shape-mismatch']);
  assert.deepEqual((await post(`${site.url}/deploy`, '{"a":1,"a":2}')).body['code'], 'json-duplicate-key');
  assert.equal((await post(`${site.url}/admin`, {})).status, 404);
  assert.equal((await fetch(site.url, { method: 'DELETE' })).status, 404);
  assert.equal((await fetch(`${site.url}/%2e%2e/point/point.json`)).status, 404);
  assert.equal(await page(site.url), '<h1>one</h1>');
  assert.deepEqual(await trying(good), [200, undefined]);
  assert.equal(await page(site.url), '<h1>two</h1>');
});

test('Y10: a veto that is posted here stops a permit that the server still hands out', async (context) => {
  const world = new DeployingWorld();
  const site = await start(context, world, folderFor(context));
  const id = world.deployment(first);
  const veto = world.stop(id, 'radia', 'veto');
  assert.ok(veto.type === 'StopRequest');
  const sent = await post(`${site.url}/refusals`, { envelope: veto.envelope, evidence: world.caseFile(id) });
  assert.deepEqual([sent.status, sent.body], [200, { judged: true }]);
  const refused = await post(`${site.url}/challenge`, { permit_file: world.permitFile(id) });
  assert.deepEqual([refused.status, refused.body['code']], [403, 'request-vetoed']);
});

test('a version that was damaged on the disk is not served', async (context) => {
  const world = new DeployingWorld();
  const folder = folderFor(context);
  const site = await start(context, world, folder);
  const id = world.deployment(first);
  assert.equal((await deploy(site.url, world, id, first)).status, 200);
  await site.stop();
  const version = join(folder, 'site', 'versions', `${permitOf(world, id).permit}.json`);
  writeFileSync(version, readFileSync(version, 'utf8').replace('PGgx', 'PGgy'));
  const damaged = await startStaticSite({
    folder,
    pin: world.ledger,
    instance: 'web',
    action: 'deploy.production',
    allowTrial: true,
  });
  assert.ok(!damaged.ok && damaged.refusal.code === 'store-corrupt');
});

const startProcess = async (context: TestContext, world: DeployingWorld, folder: string) => {
  const child: ChildProcess = spawn(
    process.execPath,
    [
      join(import.meta.dirname, '../../src/enforce/static-site.ts'),
      `--folder=${folder}`,
      `--pin=${world.ledger}`,
      '--instance=web',
      '--action=deploy.production',
      '--fact=artifact',
      '--min-persons=2',
      '--allow-trial',
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  context.after(() => child.kill('SIGKILL'));
  assert.ok(child.stdout);
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { url: (JSON.parse(line) as { url: string }).url, child };
};

test('T12: two processes on one folder, asked at once, let one of them use the permit; killed, it stays used', async (context) => {
  const world = new DeployingWorld(offlineAction, instantFromMs(Date.now() - minute));
  const folder = folderFor(context);
  const sites = await Promise.all([startProcess(context, world, folder), startProcess(context, world, folder)]);
  const id = world.deployment(first);
  const permit_file = world.permitFile(id);
  const bodies: JsonObject[] = [];
  for (const { url } of sites) {
    const drawn = await post(`${url}/challenge`, { permit_file });
    assert.equal(drawn.status, 200, JSON.stringify(drawn.body));
    const envelope = world.envelopeFor({ permit: permitOf(world, id), challenge: String(drawn.body['challenge']) });
    bodies.push({ permit_file, artefact: base64(first), use: { kind: 'offline', envelope } });
  }
  const answers = await Promise.all(sites.map(({ url }, at) => post(`${url}/deploy`, bodies[at])));
  assert.deepEqual(new Set(answers.map((answer) => answer.status)), new Set([200, 409]));
  for (const { child } of sites) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  const after = await startProcess(context, world, folder);
  assert.equal(await page(after.url), '<h1>one</h1>');
  assert.equal((await post(`${after.url}/challenge`, { permit_file })).body['code'], 'permit-used');
});

test('the command says what it needs', async (context) => {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../src/enforce/static-site.ts'), '--pin', 'x']);
  context.after(() => child.kill('SIGKILL'));
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const [code] = (await once(child, 'exit')) as [number];
  assert.equal(code, 2);
  assert.match(said, /`--folder` is missing/);
});
