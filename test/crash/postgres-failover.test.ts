// SPDX-License-Identifier: Apache-2.0
// The machine of the primary dies under load, the standby is promoted: the ledger goes on there by itself, and nothing
// that was acknowledged is lost.
import assert from 'node:assert/strict';
import { connect, createServer, type AddressInfo } from 'node:net';
import { after, before, describe, it, type TestContext } from 'node:test';
import { join } from 'node:path';
import { openPostgresStore, type PostgresOptions } from '../../src/adapters/postgres/postgres-store.ts';
import { StoreFailure } from '../../src/ledger/store.ts';
import { append } from '../contract/store-contract.ts';
import { temporaryFolder } from '../ledger/tally.ts';
import { PostgresCluster } from '../support/postgres-cluster.ts';
import { long, pause, startChild, type Child } from './killed-child.ts';
import { formatPlace, type TallyPlace } from './tally-place.ts';
import { assertWhole, readAcknowledged } from './tally-witness.ts';

const writer = join(import.meta.dirname, 'tally-writer.ts');
const rounds = long ? 5 : 1;

const withStandbys = `synchronous_standby_names = 'ANY 1 (*)'`;
const made = PostgresCluster.make();
const skip = made === undefined ? 'no binaries of PostgreSQL: let npm install its optional packages' : false;
if (made === undefined && process.env['CI'] === 'true') throw new Error(String(skip));

const until = async (what: string, done: () => Promise<boolean>): Promise<void> => {
  const giveUp = performance.now() + 30_000;
  while (!(await done())) {
    assert.ok(performance.now() < giveUp, what);
    await pause(50);
  }
};

const attached = (primary: PostgresCluster): Promise<void> =>
  until('a synchronous standby is attached', async () => {
    const [row] = await primary.query(
      `select count(*)::int as standbys from pg_stat_replication where sync_state in ('sync', 'quorum')`,
    );
    return row?.['standbys'] === 1;
  });

describe('a primary that dies', { skip }, () => {
  // One that leads, and standbys in waiting: of each, the next follows when it leads.
  const clusters: PostgresCluster[] = [];
  const cluster = (at: number): PostgresCluster => {
    const found = clusters[at];
    assert.ok(found !== undefined);
    return found;
  };
  /** Cancels the wait of whatever waits for the standby; tells whether something did. */
  const cancelsWait = async (): Promise<boolean> => {
    const waiting = `select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'`;
    return (await cluster(0).query(waiting)).length > 0;
  };
  const options = (schema: string): PostgresOptions => ({
    address: {
      servers: clusters.map(({ folder }) => ({ host: folder, port: 5432 })),
      database: 'postgres',
      user: 'countersign',
      password: null,
      tls: false,
    },
    schema,
    patienceMs: 20_000,
  });

  before(async () => {
    if (made === undefined) return;
    made.configure(withStandbys);
    clusters.push(made, ...Array.from({ length: rounds + 1 }, (_, at) => made.standby(`standby${at}`)));
    await cluster(0).start();
    await cluster(1).start();
    await attached(cluster(0));
  });
  after(async () => {
    for (const one of clusters) await one.remove();
  });

  it('L15: is not a standby: the primary is found among all that are given', async (t) => {
    const store = await openPostgresStore(options('found'));
    assert.ok(store.ok, store.ok ? '' : store.refusal.message);
    t.after(() => store.value.close());
    assert.equal((await append(store.value, 'main', ['a'])).size, 1);
    const { address } = options('found');
    const onlyStandby = { ...options('found'), address: { ...address, servers: address.servers.slice(1, 2) } };
    const refused = await openPostgresStore({ ...onlyStandby, patienceMs: 0 });
    assert.ok(!refused.ok && refused.refusal.code === 'store-unreachable');
    assert.match(refused.refusal.message, /is a standby/);
  });

  it('L15, L16: a commit whose standby does not answer is not acknowledged, not even when the server gives up waiting', async (t) => {
    const store = await openPostgresStore({ ...options('waits'), commitMs: 600, settleMs: 900, lockMs: 200 });
    assert.ok(store.ok, store.ok ? '' : store.refusal.message);
    t.after(() => store.value.close());
    await append(store.value, 'main', ['a']);
    const unknown = (error: unknown): boolean => error instanceof StoreFailure && error.outcome === 'unknown';
    cluster(1).freeze();
    try {
      await assert.rejects(append(store.value, 'main', ['b']), unknown, 'it takes too long');
    } finally {
      cluster(1).thaw();
    }
    await until('the server is through with it', async () => (await store.value.head('main')).size === 2);
    // Connected again before the standby stands still again: it is the commit that has to wait.
    await until('it is appended to', async () =>
      append(store.value, 'main', ['c']).then(
        () => true,
        () => false,
      ),
    );
    // Whoever may cancel can make the server say yes before the standby has; it warns, and that is heard.
    cluster(1).freeze();
    try {
      const appended = append(store.value, 'main', ['d']);
      const cancelled = until('a commit waits', cancelsWait);
      await assert.rejects(appended, unknown, 'it was cancelled');
      await cancelled;
    } finally {
      cluster(1).thaw();
    }
  });

  it('L15, L16: that warning is heard where warnings are turned off, and in any language', async (t) => {
    // A server that speaks German: of its words nothing else is needed here.
    const german = createServer((client) => {
      const server = connect(cluster(0).socket);
      server.on('data', (data) =>
        client.write(Buffer.from(data.toString('latin1').replaceAll('SWARNING\0', 'SWARNUNG\0'), 'latin1')),
      );
      client.on('data', (data) => server.write(data));
      for (const [one, other] of [[client, server] as const, [server, client] as const]) {
        one.on('close', () => other.destroy());
        one.on('error', () => other.destroy());
      }
    });
    await new Promise<void>((resolve) => german.listen(0, '127.0.0.1', resolve));
    t.after(() => german.close());
    const { port } = german.address() as AddressInfo;
    const { address } = options('heard');
    const cases: readonly (readonly [string, PostgresOptions['address']])[] = [
      ['alter role countersign set client_min_messages = error', address],
      ['alter role countersign reset client_min_messages', { ...address, servers: [{ host: '127.0.0.1', port }] }],
    ];
    for (const [setting, at] of cases) {
      await cluster(0).query(setting);
      const store = await openPostgresStore({ ...options('heard'), address: at, settleMs: 0 });
      assert.ok(store.ok, store.ok ? '' : store.refusal.message);
      t.after(() => store.value.close());
      await append(store.value, 'main', ['a']);
      cluster(1).freeze();
      try {
        const appended = append(store.value, 'main', ['b']);
        const refused = assert.rejects(
          appended,
          (error) => error instanceof StoreFailure && error.outcome === 'unknown',
          setting,
        );
        await until('a commit waits', cancelsWait);
        await refused;
      } finally {
        cluster(1).thaw();
      }
    }
  });

  it('L17: what one shows whose wait for the standby was cancelled, another confirms only once the standby has it', async (t) => {
    const opened = [await openPostgresStore(options('shows')), await openPostgresStore(options('shows'))];
    const [one, other] = opened.map((store) => {
      assert.ok(store.ok, store.ok ? '' : store.refusal.message);
      t.after(() => store.value.close());
      return store.value;
    });
    assert.ok(one !== undefined && other !== undefined);
    await append(one, 'main', ['a']);
    await other.head('main');
    await other.confirm?.('main');
    cluster(1).freeze();
    let confirmed = false;
    let confirming: Promise<void> | undefined;
    let appending: Promise<unknown> | undefined;
    try {
      // Its outcome is looked up, and that waits for the standby as well.
      appending = append(one, 'main', ['b']);
      await until('a commit waits and is cancelled', async () => {
        await cancelsWait();
        return (await other.head('main')).size === 2;
      });
      confirming = other.confirm?.('main').then(() => {
        confirmed = true;
      });
      await pause(500);
      assert.ok(!confirmed, 'the primary shows it, and no other machine has it');
    } finally {
      cluster(1).thaw();
    }
    await confirming;
    await appending;
    assert.equal((await other.head('main')).size, 2);
    // Nor does a confirmation count whose own wait was cancelled.
    cluster(1).freeze();
    try {
      const cancelled = other.confirm?.('main');
      const refused = assert.rejects(async () => cancelled, StoreFailure);
      await until('the confirmation waits', cancelsWait);
      await refused;
    } finally {
      cluster(1).thaw();
    }
  });

  it('L15: a server that waits for no standby any more is not written to', async (t) => {
    const store = await openPostgresStore({ ...options('named'), patienceMs: 0 });
    assert.ok(store.ok, store.ok ? '' : store.refusal.message);
    t.after(() => store.value.close());
    await append(store.value, 'main', ['a']);
    const code = (error: unknown): boolean =>
      error instanceof StoreFailure &&
      error.refusal.code === 'store-not-synchronous' &&
      error.outcome === 'nothing-written';
    await cluster(0).query(`alter system set synchronous_standby_names = ''`);
    cluster(0).reload();
    await until('it has heard', async () => {
      const [row] = await cluster(0).query('show synchronous_standby_names');
      return row?.['synchronous_standby_names'] === '';
    });
    await pause(100);
    await assert.rejects(append(store.value, 'main', ['b']), code);
    await cluster(0).query('alter system reset synchronous_standby_names');
    cluster(0).reload();
    await attached(cluster(0));
    await until('it is synchronous again', async () =>
      append(store.value, 'main', ['b']).then(
        () => true,
        () => false,
      ),
    );
  });

  const runWriter = async (t: TestContext, schema: string) => {
    const place = { folder: temporaryFolder(t), postgres: { ...options(schema), settleMs: 20_000 } };
    const child = startChild(process.execPath, [writer, formatPlace(place), '0']);
    t.after(() => child.kill());
    const answered = (): number => child.lines.filter((line) => line.startsWith('yes ')).length;
    const goesOn = async (): Promise<void> => {
      const from = answered();
      await until(`it goes on: ${child.lines.at(-1)} ${child.errors()}`, async () => answered() > from + 100);
    };
    await child.line('yes');
    return { place, child, answered, goesOn };
  };

  /** Kills the writer, and looks at what it leaves in the cluster that leads now. */
  const assertNothingLost = async (
    { place, child }: { readonly place: TallyPlace; readonly child: Child },
    leader: PostgresCluster,
    losses: number,
  ): Promise<number> => {
    const { lines, signal } = await child.kill();
    assert.equal(signal, 'SIGKILL', `it ended by itself: ${lines.at(-1)} ${child.errors()}`);
    // A batch that was under way may be refused, when it is certain that nothing of it was written; nothing else is.
    const told = lines.filter((line) => !/^(yes|started) |^follower StoreFailure: .* cannot be reached/.test(line));
    assert.deepEqual([...new Set(told)].join(), told.length === 0 ? '' : 'no store-unreachable');
    assert.ok(told.length <= losses * 128, `${told.length} refused`);
    const acknowledged = new Map<string, number>();
    readAcknowledged(lines, acknowledged);
    await until('the last transaction is over', async () => {
      const asked = `select count(*)::int as left from pg_stat_activity where application_name like 'countersign%'`;
      return (await leader.query(asked))[0]?.['left'] === 0;
    });
    await assertWhole(place, acknowledged, (text) => leader.query(text));
    return acknowledged.size;
  };

  it('INV7, SPEC L15, L16: that only stands still for a while, or starts again after a crash, is waited for', async (t) => {
    const running = await runWriter(t, 'again');
    cluster(0).freeze();
    await pause(1500);
    cluster(0).thaw();
    await running.goesOn();
    await cluster(0).kill();
    await pause(300);
    await cluster(0).start();
    await attached(cluster(0));
    await running.goesOn();
    await cluster(0).stop();
    await cluster(0).start();
    await attached(cluster(0));
    await running.goesOn();
    await assertNothingLost(running, cluster(0), 2);
  });

  it(`INV7, SPEC L15, L16: ${rounds} times killed under load and replaced by its standby, nothing acknowledged is lost`, async (t) => {
    const running = await runWriter(t, 'tally');
    const { answered, goesOn } = running;
    for (let round = 0; round < rounds; round += 1) {
      const [primary, standby, next] = [cluster(round), cluster(round + 1), cluster(round + 2)];
      // At another point of the load in each round.
      await pause(300 + Math.random() * 300);
      await primary.kill();
      // What had been acknowledged by then is still on its way to us.
      await pause(100);
      const alone = answered();
      await standby.promote();
      // The standby leads now, and has none itself: nothing is acknowledged until one is attached.
      await pause(700);
      assert.equal(answered(), alone, 'nothing is acknowledged that lies on one machine');
      next.follow(standby, `standby${round + 1}`);
      await next.start();
      await goesOn();
    }
    const total = await assertNothingLost(running, cluster(rounds), rounds);
    t.diagnostic(`${rounds} rounds of failover, ${total} acknowledged`);
  });
});
