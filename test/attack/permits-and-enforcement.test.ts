// SPDX-License-Identifier: Apache-2.0
// Permits in the wrong hands, at the wrong place, for the wrong thing, twice; real server, real target.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Accepted, ConsistencyAnswer, Submitted } from '../../src/contract/api.ts';
import { digestOf } from '../../src/crypto/digest.ts';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import type { JsonObject, Result } from '../../src/kernel/refusal.ts';
import {
  consumptionFor,
  enforce,
  openEnforcementPoint,
  type Drawn,
  type EnforcementPoint,
  type OnlineUse,
  type PointOptions,
} from '../../src/enforce/enforce.ts';
import { startStaticSite } from '../../src/enforce/static-site.ts';
import type { CompiledAction } from '../../src/policy/compiled.ts';
import { deployAction, minute, policyOf, sign } from '../support/world.ts';
import { startRunning, type Running } from '../server/running.ts';
import { Clock, oneSeatAction, refused, twoSeats, worked } from './stage.ts';

const artifact = { type: 'digest', source: { kind: 'requester' }, max: null } as const;
const facts = { ...deployAction().facts, artifact };
const deploying = (over: Partial<CompiledAction> = {}): CompiledAction =>
  oneSeatAction({ facts, tiers: [twoSeats()], ...over });
const site = (text: string): string => canonicalize({ 'index.html': Buffer.from(text).toString('base64') });

let running: Running;
const folders: string[] = [];
before(async () => {
  running = await startRunning({ policy: policyOf(deploying()) });
});
after(async () => {
  await running.close();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

const folder = (): string => {
  const made = mkdtempSync(join(tmpdir(), 'countersign-point-'));
  folders.push(made);
  return made;
};
const point = (over: Partial<PointOptions> = {}): EnforcementPoint => {
  const opened = openEnforcementPoint({
    stateFolder: folder(),
    pin: running.pin,
    instance: 'web',
    allowTrial: true,
    minPersons: 2,
    ...over,
  });
  assert.ok(opened.ok, opened.ok ? '' : opened.refusal.message);
  return opened.value;
};
const denied = (result: Result<unknown>, ...codes: readonly string[]): void => {
  assert.ok(!result.ok, `expected ${codes.join(' or ')}, but it was let in`);
  assert.ok(
    codes.includes(result.refusal.code),
    `expected ${codes.join(' or ')}, got ${result.refusal.code}: ${result.refusal.message}`,
  );
};

const permitFor = async (
  content: string,
  by = 'ada',
): Promise<{ readonly asked: Submitted; readonly permit: string; readonly file: string }> => {
  const asked = await running.ask({ facts: { service: 'shop', risk: 1, artifact: digestOf(content) } }, by);
  for (const voter of ['linus', 'radia']) worked(await running.vote(asked.request, voter));
  const { permit, file } = worked(await running.permit(asked.request));
  return { asked, permit, file };
};

/** Uses a permit at the server over a challenge, as its executor does. */
const useAt = async ({ permit, challenge, seen }: Pick<Drawn, 'permit' | 'challenge' | 'seen'>): Promise<OnlineUse> => {
  const envelope = sign(consumptionFor(permit, challenge, running.now()), 'deployer');
  const { receipt } = worked(await running.post<Accepted>(`/v1/permits/${permit.permit}/consume`, { envelope }));
  const { size } = await running.info();
  const way =
    seen === null
      ? []
      : worked(await running.get<ConsistencyAnswer>(`/v1/ledger/consistency?from=${seen.size}&to=${size}`)).hashes;
  return { kind: 'online', entry: receipt.entry, proof: receipt.proof, consistency: way };
};
const drawnBy = (from: EnforcementPoint, file: string): Drawn => {
  const drawn = from.challenge(file);
  assert.ok(drawn.ok, drawn.ok ? '' : drawn.refusal.message);
  return drawn.value;
};

test('A39 C2: a permit is for one instance, action, target, artefact and executor, and for a floor that the target sets itself', async () => {
  const { file } = await permitFor('one');
  denied(point({ instance: 'other' }).challenge(file), 'permit-wrong-audience');
  denied(point({ pin: `sha256:${'0'.repeat(64)}` }).challenge(file), 'pin-mismatch');
  denied(point({ allowTrial: false }).challenge(file), 'trial-not-allowed');
  denied(point({ minPersons: 3 }).challenge(file), 'persons-too-few');
  denied(point({ minPersonsFor: { 'deploy.production': 3 } }).challenge(file), 'persons-too-few');
  const own = point();
  for (const wanted of [
    { action: 'deploy.staging' },
    { target: 'production/till' },
    { content: digestOf('one') },
    { facts: { artifact: digestOf('two') } },
    { facts: { artifact: digestOf('one'), missing: true } },
    { executorKey: 'SHA256:AAAA' },
  ])
    denied(own.challenge(file, wanted), 'permit-wrong-change', 'permit-wrong-executor');
  assert.ok(
    own.challenge(file, {
      action: 'deploy.production',
      target: 'production/shop',
      facts: { artifact: digestOf('one') },
    }).ok,
  );
});

test('A12 INV3: only the executor that people approved uses a permit, at the place and for the change they approved, and only it reports', async () => {
  const { asked, permit } = await permitFor('executor');
  const other = await permitFor('other');
  const path = `/v1/permits/${permit}/consume`;
  const use = async (over: JsonObject, by = 'deployer') =>
    running.post(path, running.consumptionBody(permit, asked.change, over, by));
  for (const by of ['ada', 'linus', 'ci', 'agent', 'margaret']) refused(await use({}, by), 'permit-wrong-executor');
  refused(await use({ audience: 'other' }), 'permit-wrong-audience');
  refused(await use({ change: other.asked.change }), 'permit-wrong-change');
  refused(await use({ permit: other.permit }), 'address-mismatch');
  refused(await running.post(path, running.consumptionBody(other.permit, other.asked.change)), 'address-mismatch');
  refused(await running.post(`/v1/executions/${permit}/result`, running.resultBody(permit)), 'result-not-expected');
  worked(await use({}));
  for (const by of ['ada', 'ci'])
    refused(
      await running.post(`/v1/executions/${permit}/result`, running.resultBody(permit, 'succeeded', by)),
      'permit-wrong-executor',
    );
  worked(await running.post(`/v1/executions/${permit}/result`, running.resultBody(permit, 'failed')));
  refused(
    await running.post(`/v1/executions/${permit}/result`, running.resultBody(permit, 'succeeded')),
    'result-not-expected',
    'request-over',
  );
  refused(await use({}), 'permit-used');
});

test('T12 C25 A42: a permit is used once: not twice at once, not again after a failure, not on two processes’ shared folder', async () => {
  const shared = folder();
  const [first, second] = [point({ stateFolder: shared }), point({ stateFolder: shared })];
  const { file } = await permitFor('twice');
  const [one, two] = [drawnBy(first, file), drawnBy(second, file)];
  const use = await useAt(one);
  denied(second.admit(file, use), 'challenge-unknown');
  denied(
    second.admit(file, { ...use, entry: use.entry.replace(one.challenge, two.challenge) }),
    'proof-invalid',
    'signature-invalid',
    'replay-differs',
  );
  const effects: string[] = [];
  const admitted = first.admit(file, use);
  assert.ok(admitted.ok, admitted.ok ? '' : admitted.refusal.message);
  effects.push(admitted.value.permit.permit);
  denied(first.admit(file, use), 'permit-used');
  denied(second.admit(file, use), 'permit-used');
  denied(first.challenge(file), 'permit-used');
  denied(point({ stateFolder: shared }).challenge(file), 'permit-used');
  const again = await permitFor('crash');
  const crashing = await enforce(again.file, {
    point: first,
    wanted: {},
    use: async (drawn) => ({ ok: true, value: await useAt(drawn) }),
  });
  assert.ok(crashing.ok);
  denied(point({ stateFolder: shared }).challenge(again.file), 'permit-used');
  assert.equal(effects.length, 1);
});

test('T12 C32: cut off from the server, or shown no proof of this very use, the target does nothing', async () => {
  const own = point();
  const [mine, other] = [await permitFor('mine'), await permitFor('theirs')];
  const drawn = drawnBy(own, mine.file);
  const envelope = sign(consumptionFor(drawn.permit, drawn.challenge, running.now()), 'deployer');
  denied(own.admit(mine.file, { kind: 'offline', envelope }), 'consumption-not-shown');
  const theirs = drawnBy(own, other.file);
  const otherUse = await useAt(theirs);
  denied(own.admit(mine.file, otherUse), 'consumption-not-shown', 'replay-differs', 'file-malformed');
  const entries = JSON.parse(mine.file) as { entry: string; proof: string };
  denied(
    own.admit(mine.file, { kind: 'online', entry: entries.entry, proof: entries.proof, consistency: [] }),
    'consumption-not-shown',
  );
  denied(
    own.admit(mine.file, { ...otherUse, entry: otherUse.entry.replaceAll(other.permit, mine.permit) }),
    'proof-invalid',
    'signature-invalid',
    'replay-differs',
    'permit-wrong-change',
  );
  const failed = await enforce(mine.file, {
    point: own,
    wanted: {},
    use: () =>
      Promise.resolve({
        ok: false,
        refusal: { code: 'server-unreachable', rule: 'W7', message: 'no answer', facts: {} },
      }),
  });
  denied(failed, 'server-unreachable');
  denied(own.admit(mine.file, await useAt({ ...drawn, challenge: '0'.repeat(32) })), 'challenge-unknown');
});

test('A41 C24 Y10: a veto or a withdrawal that was given to the target beats the permit, and nobody takes it back', async () => {
  const own = point();
  const vetoed = await permitFor('vetoed');
  const { envelope: veto } = await running.stopBody(vetoed.asked.request, 'linus', 'veto');
  const foreign = (await running.stopBody(vetoed.asked.request, 'vint', 'veto')).envelope;
  denied(own.refuse(foreign, vetoed.file), 'veto-not-allowed');
  denied(own.refuse({ ...veto, signature: foreign.signature }, vetoed.file), 'signature-invalid');
  const drawn = drawnBy(own, vetoed.file);
  const use = await useAt(drawn);
  assert.ok(own.refuse(veto, vetoed.file).ok);
  denied(own.admit(vetoed.file, use), 'request-vetoed');
  denied(own.challenge(vetoed.file), 'request-vetoed');
  const withdrawn = await permitFor('withdrawn', 'bob');
  const withdrawal = (await running.stopBody(withdrawn.asked.request, 'bob', 'withdrawal')).envelope;
  assert.ok(own.refuse(withdrawal, withdrawn.file).ok);
  denied(own.challenge(withdrawn.file), 'request-withdrawn');
  const empty = (await running.stopBody(withdrawn.asked.request, 'bob', 'veto')).envelope;
  own.refuse(empty);
  denied(own.challenge(withdrawn.file), 'request-withdrawn');
});

test('A39 A40: by its own clock the target refuses a permit that is over, or that has not begun', async () => {
  const clock = new Clock();
  const now = () => new Date(clock.now()).toISOString() as ReturnType<Running['now']>;
  const own = point({ now });
  const { file } = await permitFor('late');
  const drawn = drawnBy(own, file);
  clock.turn(14 * minute);
  const use = await useAt(drawn);
  denied(own.admit(file, use), 'challenge-unknown');
  clock.turn(2 * minute);
  denied(own.admit(file, use), 'permit-expired');
  denied(own.challenge(file), 'permit-expired');
  clock.turn(-60 * minute);
  denied(own.challenge(file), 'permit-not-yet-valid');
});

test('C1 C19: a real site takes the approved artefact once, and no other, whatever is posted to it', async () => {
  const served = await startStaticSite({
    folder: folder(),
    pin: running.pin,
    instance: 'web',
    action: 'deploy.production',
    fact: 'artifact',
    minPersons: 2,
    allowTrial: true,
  });
  assert.ok(served.ok);
  const { url, stop } = served.value;
  try {
    const post = async (path: string, body: unknown) => {
      const answer = await fetch(url + path, { method: 'POST', body: JSON.stringify(body) });
      return {
        status: answer.status,
        body: (await answer.json()) as { code?: string; challenge: string; seen: Drawn['seen'] },
      };
    };
    const page = async () => (await fetch(url)).text();
    const [good, evil] = [site('<h1>approved</h1>'), site('<h1>evil</h1>')];
    const { file, permit } = await permitFor(good);
    const { body } = await post('/challenge', { permit_file: file });
    const point = (
      JSON.parse((JSON.parse(file) as { entry: string }).entry) as { events: { permit: Drawn['permit'] }[] }
    ).events[0]?.permit;
    assert.ok(point);
    const use = await useAt({ permit: point, challenge: body.challenge, seen: body.seen });
    const deploy = async (artefact: string, given: unknown = use, permit_file = file) =>
      post('/deploy', { permit_file, artefact: Buffer.from(artefact).toString('base64'), use: given });
    for (const answer of [
      await deploy(evil),
      await deploy(`${good} `),
      await deploy(good, { ...use, proof: '' }),
      await deploy(good, null),
      await deploy(good, use, file.replace(digestOf(good), digestOf(evil))),
      await deploy(evil, use, file.replaceAll(digestOf(good), digestOf(evil))),
      await deploy(canonicalize({ '../../escape': 'AA==' })),
      await post('/deploy', { artefact: 'AA==' }),
      await post('/deploy/../deploy', {}),
    ])
      assert.ok(answer.status >= 400, JSON.stringify(answer.body));
    assert.doesNotMatch(await page(), /evil|approved/);
    const done = await deploy(good);
    assert.equal(done.status, 200, JSON.stringify(done.body));
    assert.match(await page(), /approved/);
    assert.equal((await deploy(good)).body.code, 'permit-used');
    const shown = (await (await fetch(`${url}/.well-known/countersign`)).json()) as { permit: string };
    assert.equal(shown.permit, permit);
  } finally {
    await stop();
  }
});
