// SPDX-License-Identifier: Apache-2.0
// A real `countersign serve` and three real `countersign witness serve`, one of them over TLS: what a stranger with the
// log's published tiles can bring to the witnesses, and what the operator with the log's own key can not.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { witnessesOf } from '../../src/adapters/witness/witness-client.ts';
import { verifyCosignatures } from '../../src/crypto/cosignature.ts';
import { noteSigner, parseVerifierKey } from '../../src/crypto/signed-note.ts';
import { parsePermitFile, type PermitFile } from '../../src/execute/permit-file.ts';
import { ok } from '../../src/kernel/refusal.ts';
import { signCheckpoint, verifyCheckpoint } from '../../src/ledger/checkpoint.ts';
import { leafHash, rootOf } from '../../src/ledger/merkle.ts';
import { consistencyProof, type HashAt } from '../../src/ledger/proof.ts';
import { MerkleSlab } from '../../src/ledger/slab.ts';
import { formatTilePath, hashesFromTiles, readTile, tilesOf } from '../../src/ledger/tiles.ts';
import type { CosignRequest, Witness } from '../../src/ledger/witness-port.ts';
import { meetsQuorum, parseWitnessPolicy, policyCosigners, quorumTimes } from '../../src/ledger/witness-policy.ts';
import { readLogSeed } from '../../src/server/log-key.ts';
import { runCli, startCli, type Ran } from '../cli/run-cli.ts';
import { sampleOrganisation } from '../cli/sample-organisation.ts';
import { foundSample, serveFolder, serveTrial, type ServedTrial } from '../cli/served-trial.ts';

type Served = { readonly url: string; readonly stop: () => Promise<number | null> };

const serveWitness = (dir: string, ...more: readonly string[]): Promise<Served> => {
  const child = startCli(['witness', 'serve', '--dir', dir, '--listen', '127.0.0.1:0', ...more]);
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  let told = '';
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        told += chunk.toString('utf8');
        const url = /Listening on {2}(\S+)[\s\S]*Logs /.exec(told)?.[1];
        const stop = (): Promise<number | null> => {
          child.kill('SIGTERM');
          return ended;
        };
        if (url !== undefined) resolve({ url, stop });
      });
    void ended.then((code) => reject(new Error(`witness serve ended with ${code}: ${told}`)));
  });
};

const textAt = async (url: string): Promise<string> => {
  const answer = await fetch(url);
  assert.equal(answer.status, 200, url);
  return answer.text();
};

/** The newest checkpoint, and consistency from the published tiles alone. */
const published = async (url: string, logKey: string): Promise<CosignRequest> => {
  const note = await textAt(`${url}/ledger/checkpoint`);
  const verifier = parseVerifierKey(logKey);
  assert.ok(verifier.ok);
  const checkpoint = verifyCheckpoint(note, verifier.value);
  assert.ok(checkpoint.ok);
  const { size } = checkpoint.value;
  const hashes = new Map<string, readonly string[]>();
  for (const tile of tilesOf(size)) {
    if (tile.level === 'entries') continue;
    const path = formatTilePath(tile);
    const answer = await fetch(`${url}/ledger/tile/${path}`);
    const read = readTile(tile, new Uint8Array(await answer.arrayBuffer()));
    assert.ok(read.ok);
    hashes.set(path, read.value);
  }
  const hashAt: HashAt = hashesFromTiles((tile) => hashes.get(formatTilePath(tile)), size);
  const signal = new AbortController().signal;
  return { note, size, consistencyFrom: (from) => ok(consistencyProof(from, size, hashAt)), signal };
};

const grow = async (served: ServedTrial): Promise<void> => {
  const asked = await served.as('ada', ['request', 'release.notes', '--fact', 'version=v1', '--reason', 'it is time']);
  assert.equal(asked.code, 0, asked.stderr);
};

/** A certificate for loopback, which this process takes from now on. */
const certificate = (folder: string): readonly string[] => {
  mkdirSync(folder, { recursive: true });
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const subject = ['-subj', '/CN=witness', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const algorithm = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  execFileSync('openssl', ['req', '-x509', ...algorithm, ...subject, '-keyout', key, '-out', cert], {
    stdio: 'ignore',
  });
  setDefaultCACertificates([...getCACertificates('default'), readFileSync(cert, 'utf8')]);
  return ['--tls-cert', cert, '--tls-key', key];
};

const stopAfter = (t: TestContext, served: Served): Served => {
  t.after(() => served.stop());
  return served;
};

test('INV7: a quorum of witnesses cosigns what a real server publishes, and no rewritten history', async (t) => {
  const served = await serveTrial();
  t.after(() => served.stop());
  const { log_key: logKey } = JSON.parse(await textAt(`${served.url}/v1/ledger`)) as { log_key: string };
  const folder = join(served.org.folder, 'witnesses');
  const tls = certificate(folder);
  const lines: string[] = [];
  const running: Served[] = [];
  for (const name of ['w1', 'w2', 'w3']) {
    const dir = join(folder, name);
    const made = await runCli(['witness', 'init', '--dir', dir, '--name', `${name}.example`, '--log', logKey]);
    assert.equal(made.code, 0, made.stderr);
    const witness = stopAfter(t, await serveWitness(dir, ...(name === 'w3' ? tls : [])));
    assert.match(witness.url, name === 'w3' ? /^https:/ : /^http:/);
    running.push(witness);
    lines.push(`witness ${name} ${made.stdout.trim()} ${witness.url}\n`);
  }
  const policy = parseWitnessPolicy(`log ${logKey}\n${lines.join('')}group some 2 w1 w2 w3\nquorum some\n`);
  assert.ok(policy.ok, policy.ok ? '' : policy.refusal.message);
  const clients = witnessesOf(policy.value);
  assert.ok(clients.ok, clients.ok ? '' : clients.refusal.message);
  const witnesses: readonly Witness[] = clients.value;

  const shown = await published(served.url, logKey);
  const cosign = async (request: CosignRequest) => {
    const given = await Promise.all(witnesses.map((witness) => witness.cosign(request)));
    const checked = verifyCosignatures(
      request.note + given.map((one) => (one.ok ? one.value : '')).join(''),
      policyCosigners(policy.value),
    );
    assert.ok(checked.ok);
    return { given, cosignatures: checked.value.cosignatures };
  };
  const before = Math.floor(Date.now() / 1000);
  const first = await cosign(shown);
  assert.equal(first.cosignatures.length, 3, JSON.stringify(first.given));
  const times = quorumTimes(policy.value, first.cosignatures);
  assert.ok(times !== undefined && times.by >= before && times.by <= Math.floor(Date.now() / 1000) + 1);

  // The ledger grows, one witness is away: two of three are enough. It comes back and goes on from where it was.
  await grow(served);
  assert.equal(await running[1]?.stop(), 0);
  const grown = await published(served.url, logKey);
  assert.ok(grown.size > shown.size, `${grown.size} after ${shown.size}`);
  const second = await cosign(grown);
  assert.deepEqual(
    second.given.map((one) => (one.ok ? 'cosigned' : one.refusal.code)),
    ['cosigned', 'witness-unreachable', 'cosigned'],
  );
  assert.ok(meetsQuorum(policy.value, second.cosignatures));

  // The operator rewrites history, with the log's own key: as long, longer, and shorter than what was cosigned.
  const seed = readLogSeed(join(served.dir, 'log.key'));
  const key = parseVerifierKey(logKey);
  assert.ok(seed.ok && key.ok);
  const signer = noteSigner(key.value.name, seed.value);
  const slab = new MerkleSlab();
  for (let at = 0; at < grown.size + 5; at += 1) slab.append(leafHash(`rewritten ${at}`));
  const rewritten = (size: number): CosignRequest => ({
    note: signCheckpoint({ origin: signer.name, size, root: rootOf(slab.edge(size)) }, signer),
    size,
    consistencyFrom: (from) => ok(consistencyProof(from, size, slab.hashAt)),
    signal: new AbortController().signal,
  });
  for (const size of [grown.size, grown.size + 5, 1]) {
    const forged = await cosign(rewritten(size));
    assert.deepEqual(
      forged.given.map((one) => (one.ok ? 'cosigned' : one.refusal.code)),
      size === 1
        ? ['witness-ahead', 'witness-unreachable', 'witness-ahead']
        : ['witness-refused', 'witness-unreachable', 'witness-refused'],
    );
    assert.equal(meetsQuorum(policy.value, forged.cosignatures), false);
  }
  const away = stopAfter(t, await serveWitness(join(folder, 'w2')));
  const [back] = (() => {
    const again = parseWitnessPolicy(`${lines[1]?.replace(/ http:\S+/, ` ${away.url}`)}quorum w2\n`);
    assert.ok(again.ok);
    const client = witnessesOf(again.value);
    assert.ok(client.ok);
    return client.value;
  })();
  assert.ok(back !== undefined);
  const behind = await back.cosign(rewritten(shown.size));
  assert.equal(
    behind.ok ? '' : behind.refusal.code,
    'witness-refused',
    'the one that was away knows the old history too',
  );
  assert.ok((await back.cosign(grown)).ok);
});

/** Three witnesses of this log, each a process of its own, and the lines of a policy that names them. */
const threeWitnesses = async (t: TestContext, folder: string, logKey: string): Promise<readonly string[]> => {
  const lines: string[] = [];
  for (const name of ['w1', 'w2', 'w3']) {
    const dir = join(folder, name);
    const made = await runCli(['witness', 'init', '--dir', dir, '--name', `${name}.example`, '--log', logKey]);
    assert.equal(made.code, 0, made.stderr);
    const { url } = stopAfter(t, await serveWitness(dir));
    lines.push(`witness ${name} ${made.stdout.trim()} ${url}\n`);
  }
  return lines;
};

test('Y11: a time lock is proved offline by what real witnesses cosigned for a real server', async (t) => {
  const org = sampleOrganisation();
  t.after(org.remove);
  const release = join(org.policy, 'release.yaml');
  const tiers = readFileSync(release, 'utf8');
  const locked = tiers.replace(
    'sign-with: own-key}',
    'sign-with: own-key, time-lock: {wait: 3s, veto: [group:founders]}}',
  );
  assert.notEqual(locked, tiers);
  writeFileSync(release, locked);
  const { dir, pin } = await foundSample(org);
  const first = await serveFolder(dir);
  const { log_key: logKey } = JSON.parse(await textAt(`${first.url}/v1/ledger`)) as { log_key: string };
  assert.equal(await first.stop(), 0);
  const lines = await threeWitnesses(t, join(org.folder, 'witnesses'), logKey);
  const policyIn = (name: string, ...more: readonly string[]): string => {
    const file = join(org.folder, name);
    writeFileSync(file, [`log ${logKey}\n`, ...more].join(''));
    return file;
  };
  const quorum = 'group some 2 w1 w2 w3\nquorum some\n';
  const theirs = policyIn('theirs.policy', ...lines, quorum);
  writeFileSync(join(dir, 'countersign.yaml'), `heartbeat: {every: 1s}\nwitnesses: {policy: ${theirs}}\n`);
  const server = stopAfter(t, await serveFolder(dir));
  const as = async (handle: string, ...args: readonly string[]): Promise<Ran> => {
    const trust = ['--server', server.url, '--pin', pin, '--key', org.key(handle), '--allow-trial'];
    return runCli([...args, ...trust], { env: { COUNTERSIGN_HOME: join(org.folder, 'homes', handle) } });
  };
  const ask = ['gate', 'release.notes', '--fact', 'version=v1', '--reason', 'it is time', '--resume-key', 'run-1'];
  await as('ada', ...ask);
  const [asked] = (await as('ada', 'list', '--json')).stdout.split('\n').filter(Boolean);
  const { request } = JSON.parse(asked ?? '{}') as { request: string };
  const { change } = JSON.parse((await as('grace', 'show', request, '--json')).stdout) as { change: string };
  const approved = await as('grace', 'approve', request, '--yes', '--digest', change);
  assert.equal(approved.code, 0, approved.stderr);
  const sent = async (name: string): Promise<PermitFile> => {
    const out = join(org.folder, name);
    const got = await as('ada', ...ask, '--wait', '--timeout', '60s', '--permit-out', out);
    assert.equal(got.code, 0, got.stderr);
    const file = parsePermitFile(readFileSync(out));
    assert.ok(file.ok, file.ok ? '' : file.refusal.message);
    return file.value;
  };
  const permit = await sent('permit.json');

  // What the reader needs: a file that was fetched, their own policy, and no server.
  const own = policyIn('own.policy', ...lines.map((line) => line.replace(/ http\S+/, '')), quorum);
  const verify = (file: string, ...more: readonly string[]): Promise<Ran> =>
    runCli(['verify', join(org.folder, file), '--pin', pin, '--allow-trial', ...more]);
  let verdict = await verify('permit.json', '--witnesses', own);
  for (let tries = 0; verdict.code !== 0; tries += 1) {
    assert.ok(tries < 20, verdict.stdout + verdict.stderr);
    assert.match(verdict.stdout, /error\[(witnesses-too-few|time-lock-not-witnessed)\]/);
    assert.equal((await as('ada', 'show', request, '--evidence', join(org.folder, `evidence-${tries}.json`))).code, 0);
    verdict = await verify(`evidence-${tries}.json`, '--witnesses', own);
  }
  assert.match(verdict.stdout, /by the clocks of the witnesses you named the time lock of 3 seconds was kept/);
  assert.match(verdict.stdout, /[23] witnesses you named cosigned the history with this permit in it/);

  // Sent again it is the same permit under the same proof, with what has been cosigned by now.
  const { witnessed, ...again } = await sent('again.json');
  const { witnessed: _, ...before } = permit;
  assert.deepEqual(again, before);
  assert.ok(witnessed !== undefined && witnessed.checkpoints.length > 0 && witnessed.proofs.length > 0);
  assert.equal((await verify('again.json', '--witnesses', own)).code, 0);
  const blind = await verify('again.json');
  assert.equal(blind.code, 0, blind.stdout);
  assert.match(blind.stdout, /time is the operator's clock/);
  // A witness that nobody here asked is missing, whoever else has cosigned.
  const dirOfAnother = join(org.folder, 'another');
  const another = await runCli(['witness', 'init', '--dir', dirOfAnother, '--name', 'another.example']);
  const stranger = policyIn('stranger.policy', `witness x ${another.stdout.trim()}\nquorum x\n`);
  const refused = await verify('again.json', '--witnesses', stranger);
  assert.equal(refused.code, 7);
  assert.match(refused.stdout, /error\[witnesses-too-few\]/);
});

test('a witness says what is wrong with its folder and its options', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-witness-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const dir = join(folder, 'w');
  const fails = async (args: readonly string[], code: number, told: RegExp): Promise<void> => {
    const ran = await runCli(['witness', ...args]);
    assert.equal(ran.code, code, ran.stdout + ran.stderr);
    assert.match(ran.stderr, told);
  };
  await fails(['serve', '--dir', dir], 5, /witness-missing.*no witness[\s\S]*witness init/);
  await fails(['init', '--dir', dir, '--name', 'two words'], 7, /no key name/);
  await fails(['init', '--dir', dir, '--name', 'w.example', '--log', 'x'], 2, /verifier key/);
  const made = await runCli(['witness', 'init', '--dir', dir, '--name', 'w.example', '--json']);
  assert.equal(made.code, 0, made.stderr);
  assert.match((JSON.parse(made.stdout) as { vkey: string }).vkey, /^w\.example\+[0-9a-f]{8}\+B/);
  await fails(['init', '--dir', dir, '--name', 'w.example'], 7, /holds a witness already/);
  await fails(['serve', '--dir', dir, '--listen', '0.0.0.0:0'], 2, /no TLS/);
  await fails(['serve', '--dir', dir, '--tls-cert', 'x'], 2, /go together/);
  await fails(['serve', '--dir', dir, '--listen', 'x:y'], 2, /no address/);
  const running = stopAfter(t, await serveWitness(dir));
  await fails(['serve', '--dir', dir, '--listen', '127.0.0.1:0'], 6, /in use by process/);
  assert.equal(await running.stop(), 0);
});
