// SPDX-License-Identifier: Apache-2.0
// A PostgreSQL of our own, which a test may kill. It ends with the process that started it, however that ends.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { findBinaries, owner, type Binaries } from './postgres-binaries.ts';

const user = 'countersign';
const readyMs = 30_000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

// The shell has our end of a pipe, which closes when we are gone, however we went; then it ends the server and removes
// its folder. A server that is just starting does not hear it the first time. The shell also sees the server's own end,
// so that no process number is used after that.
const keeper = `exec 3<&0
"$0" -D "$1" & pid=$!
(cat <&3 > /dev/null; : > "$2/ending"; kill -CONT $pid; while kill -QUIT $pid; do sleep 0.2; done) & watch=$!
wait $pid
kill $watch
test ! -e "$2/ending" || rm -rf "$2"`;

const settings = `
listen_addresses = ''
shared_buffers = 16MB
wal_keep_size = 512MB
wal_retrieve_retry_interval = 100ms
autovacuum = off
log_min_messages = fatal
`;

export class PostgresCluster {
  readonly folder: string;
  readonly #binaries: Binaries;
  #process: ChildProcess | undefined;

  private constructor(folder: string, binaries: Binaries) {
    this.folder = folder;
    this.#binaries = binaries;
  }

  /** A new cluster that is not started yet; undefined where there are no binaries. */
  static make(): PostgresCluster | undefined {
    const folder = newFolder();
    const binaries = findBinaries(folder);
    if (binaries === undefined) {
      rmSync(folder, { recursive: true });
      return undefined;
    }
    // What was put there is removed by whoever the server runs as.
    if (owner !== undefined) spawnSync('chown', ['-R', `${owner.uid}:${owner.gid}`, folder]);
    const cluster = new PostgresCluster(folder, binaries);
    const args = [
      '-D',
      cluster.data,
      '-U',
      user,
      '-A',
      'trust',
      '-E',
      'UTF8',
      '--locale=C',
      '--no-sync',
      '--no-instructions',
    ];
    cluster.#run('initdb', args);
    cluster.configure(`${settings}unix_socket_directories = '${folder}'`);
    return cluster;
  }

  get data(): string {
    return join(this.folder, 'data');
  }

  get address(): string {
    return `postgres://${user}@/postgres?host=${encodeURIComponent(this.folder)}`;
  }

  get socket(): string {
    return join(this.folder, '.s.PGSQL.5432');
  }

  /** The process that is the server. */
  get pid(): number {
    return Number(readFileSync(join(this.data, 'postmaster.pid'), 'utf8').split('\n')[0]);
  }

  configure(text: string): void {
    appendFileSync(join(this.data, 'postgresql.conf'), `\n${text}\n`);
  }

  /** A copy that follows this one; to be made while this one is stopped. */
  standby(name: string): PostgresCluster {
    const folder = newFolder();
    const standby = new PostgresCluster(folder, this.#binaries);
    cpSync(this.data, standby.data, { recursive: true });
    if (owner !== undefined) spawnSync('chown', ['-R', `${owner.uid}:${owner.gid}`, standby.data]);
    chmodSync(standby.data, 0o700);
    standby.configure(`unix_socket_directories = '${folder}'`);
    standby.follow(this, name);
    return standby;
  }

  follow(primary: PostgresCluster, name: string): void {
    this.configure(`primary_conninfo = 'host=${primary.folder} user=${user} application_name=${name}'`);
    writeFileSync(join(this.data, 'standby.signal'), '');
  }

  async start(): Promise<void> {
    const { folder, environment } = this.#binaries;
    const child = spawn('sh', ['-c', keeper, join(folder, 'postgres'), this.data, this.folder], {
      env: environment,
      cwd: '/',
      stdio: ['pipe', 'ignore', 'ignore'],
      ...owner,
    });
    this.#process = child;
    child.unref();
    (child.stdin as unknown as { unref: () => void }).unref();
    const until = performance.now() + readyMs;
    for (;;) {
      try {
        await this.query('select 1');
        return;
      } catch (error) {
        if (performance.now() > until) throw error;
        await pause(20);
      }
    }
  }

  /** One statement, on a connection of its own. */
  async query(text: string): Promise<readonly Record<string, unknown>[]> {
    const client = new Client({ host: this.folder, port: 5432, user, database: 'postgres', password: '' });
    client.on('error', () => {});
    await client.connect();
    try {
      return (await client.query(text)).rows as readonly Record<string, unknown>[];
    } finally {
      await client.end();
    }
  }

  /** Stops every process of the server where it stands, until `thaw`. */
  freeze(): void {
    for (const pid of this.#family()) signalTo(pid, 'SIGSTOP');
  }

  thaw(): void {
    for (const pid of this.#family()) signalTo(pid, 'SIGCONT');
  }

  /** Kills the server and everything that it started, as a power cut would. */
  async kill(): Promise<void> {
    const family = this.#family();
    for (const pid of family) signalTo(pid, 'SIGKILL');
    for (const pid of family) await this.#gone(pid);
  }

  async stop(signal: 'SIGINT' | 'SIGQUIT' = 'SIGINT'): Promise<void> {
    const { pid } = this;
    process.kill(pid, signal);
    await this.#gone(pid);
  }

  /** Makes a standby the primary. */
  promote(): Promise<void> {
    const { folder, environment } = this.#binaries;
    const args = ['promote', '-D', this.data, '-w', '-s'];
    const child = spawn(join(folder, 'pg_ctl'), args, { env: environment, cwd: '/', stdio: 'ignore', ...owner });
    return new Promise((resolve, reject) =>
      child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`pg_ctl promote: ${String(code)}`)))),
    );
  }

  reload(): void {
    process.kill(this.pid, 'SIGHUP');
  }

  /** Ends the server and removes its folder; its keeper does that. */
  async remove(): Promise<void> {
    const child = this.#process;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      // Nothing else may be left to keep this process here until then.
      child.ref();
      child.stdin?.end();
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  #family(): readonly number[] {
    const { pid } = this;
    return [pid, ...processes().flatMap(([child, parent]) => (parent === pid ? [child] : []))];
  }

  async #gone(pid: number): Promise<void> {
    for (;;) {
      try {
        process.kill(pid, 0);
      } catch {
        break;
      }
      await pause(10);
    }
    // What it leaves behind when it was killed keeps the next one from starting.
    rmSync(join(this.data, 'postmaster.pid'), { force: true });
    this.#process = undefined;
  }

  #run(program: string, args: readonly string[]): void {
    const { folder, environment } = this.#binaries;
    const done = spawnSync(join(folder, program), args, { env: environment, cwd: '/', encoding: 'utf8', ...owner });
    if (done.status !== 0) throw new Error(`${program}: ${done.stderr}${done.stdout}${done.error?.message ?? ''}`);
  }
}

// A bare machine may have no `ps`.
const processes = (): readonly (readonly [child: number, parent: number])[] => {
  if (process.platform === 'linux')
    return readdirSync('/proc').flatMap((name) => {
      const [, parent] = /^PPid:\s*(\d+)$/m.exec(/^\d+$/.test(name) ? statusOf(name) : '') ?? [];
      return parent === undefined ? [] : [[Number(name), Number(parent)] as const];
    });
  const listed = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).stdout;
  return listed.split('\n').flatMap((line) => {
    const [child, parent] = line.trim().split(/\s+/).map(Number);
    return child === undefined || parent === undefined ? [] : [[child, parent] as const];
  });
};

const statusOf = (pid: string): string => {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
};

const signalTo = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal);
  } catch {
    // It went by itself.
  }
};

// Short: the path of a socket has room for about a hundred characters.
const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'cs-pg-'));
  chmodSync(folder, 0o711);
  if (owner !== undefined) chownSync(folder, owner.uid, owner.gid);
  return folder;
};
