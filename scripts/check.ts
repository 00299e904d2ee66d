// SPDX-License-Identifier: Apache-2.0
// One command for everything CI runs. `--static` leaves the tests out. Ends with `N passed, N failed, N skipped`.
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { delimiter, join, relative } from 'node:path';
import { run } from 'node:test';
import { PostgresCluster } from '../test/support/postgres-cluster.ts';

const root = join(import.meta.dirname, '..');
const bin = join(root, 'node_modules', '.bin');
const environment = { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}`, NO_COLOR: '1' };
const staticOnly = process.argv.includes('--static');

type Tally = { passed: number; failed: number; skipped: number };
const total: Tally = { passed: 0, failed: 0, skipped: 0 };
const print = (line: string): void => void process.stdout.write(`${line}\n`);
const seconds = (from: number): string => `${((performance.now() - from) / 1000).toFixed(1)} s`;

const step = (sentence: string, command: string, args: readonly string[]): void => {
  const started = performance.now();
  const done = spawnSync(command, args, { cwd: root, env: environment, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  const ok = done.status === 0;
  total[ok ? 'passed' : 'failed'] += 1;
  print(`${ok ? 'ok  ' : 'FAIL'} ${sentence} (${seconds(started)})`);
  if (!ok) print(`${done.stdout ?? ''}${done.stderr ?? ''}${done.error?.message ?? ''}`.trim());
};

// Files that start servers and processes of their own get a process each; the rest share one, which is far faster.
const ownProcess = /^test\/(app|contract|crash|e2e|attack|server|cli|client|enforce|adapters|verify)\//;

// One PostgreSQL for all of them; those that kill theirs have their own.
const startPostgres = async (): Promise<PostgresCluster | undefined> => {
  const given = process.env['DATABASE_URL'] ?? '';
  const cluster = given === '' ? PostgresCluster.make() : undefined;
  await cluster?.start();
  if (cluster !== undefined) process.env['DATABASE_URL'] = cluster.address;
  return cluster;
};

const runTests = async (files: readonly string[], isolation: 'none' | 'process'): Promise<void> => {
  const stream = run({
    files: files.map((file) => join(root, file)),
    isolation,
    concurrency: isolation === 'process' ? 2 : true,
    timeout: 5 * 60_000,
  });
  const slow = new Map<string, number>();
  for await (const { type, data } of stream as AsyncIterable<{ type: string; data: TestReport }>) {
    if (type === 'test:stderr' || type === 'test:stdout') continue;
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const file = data.file === undefined ? '' : relative(root, data.file);
    slow.set(file, (slow.get(file) ?? 0) + (data.nesting === 0 ? data.details.duration_ms : 0));
    // A file that runs in a process of its own reports itself as a test too; only its tests are counted.
    if (data.details.type === 'suite' || (type === 'test:pass' && data.name === data.file)) continue;
    if (data.skip !== undefined && data.skip !== false) {
      total.skipped += 1;
      print(`skip ${data.name}${typeof data.skip === 'string' ? `: ${data.skip}` : ''}`);
    } else if (type === 'test:pass') total.passed += 1;
    else {
      total.failed += 1;
      print(`FAIL ${data.name}\n     node --test ${file}\n${explain(data.details.error)}`);
    }
  }
  for (const [file, ms] of [...slow].sort((a, b) => b[1] - a[1]).slice(0, 5))
    if (ms > 2000) print(`     ${file} took ${(ms / 1000).toFixed(1)} s`);
};

type TestReport = {
  readonly name: string;
  readonly file?: string;
  readonly nesting: number;
  readonly skip?: string | boolean;
  readonly details: {
    readonly duration_ms: number;
    readonly type?: string;
    readonly error?: Error & { readonly cause?: unknown };
  };
};

const explain = (error: (Error & { readonly cause?: unknown }) | undefined): string => {
  const cause = error?.cause instanceof Error ? error.cause : error;
  return String(cause?.stack ?? cause?.message ?? error?.cause ?? 'no reason given').replaceAll(/^/gm, '     ');
};

step('types hold (tsc)', 'tsc', ['--noEmit', '-p', '.']);
step('lint finds nothing (oxlint)', 'oxlint', ['--type-aware', '--deny-warnings', 'src', 'test', 'bench', 'scripts']);
step('files are formatted (biome)', 'biome', ['format', '.']);

const structure = ['test/architecture.test.ts', 'test/docs.test.ts'];
const files = globSync('test/**/*.test.ts', { cwd: root })
  .map((file) => file.replaceAll('\\', '/'))
  .sort();
const started = performance.now();
if (staticOnly) await runTests(structure, 'process');
else {
  if (files.length === 0) total.failed += 1;
  const postgres = await startPostgres();
  await runTests(
    files.filter((file) => !ownProcess.test(file)),
    'none',
  );
  await runTests(
    files.filter((file) => ownProcess.test(file)),
    'process',
  );
  await postgres?.remove();
}
print(
  `${total.failed === 0 ? 'ok  ' : 'FAIL'} ${staticOnly ? 'structure and docs' : `${files.length} test files`} (${seconds(started)})`,
);
print(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed === 0 ? 0 : 1);
