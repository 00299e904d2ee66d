// SPDX-License-Identifier: Apache-2.0
// npm run test:long: what takes longer than a commit should. 100 rounds of killing the ledger under load, 20 of killing
// the real server, 20 of losing the power (as root), and every property tried 5,000 times. Writes docs/reports/test-long.md.
import { execFileSync } from 'node:child_process';
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { delimiter, join, relative } from 'node:path';
import { run } from 'node:test';

const root = join(import.meta.dirname, '..');
const propertyRuns = process.env['FAST_CHECK_RUNS'] ?? '5000';
process.env['COUNTERSIGN_LONG'] = '1';
process.env['FAST_CHECK_RUNS'] = propertyRuns;
process.env['PATH'] = `${join(root, 'node_modules', '.bin')}${delimiter}${process.env['PATH'] ?? ''}`;

type Event = {
  readonly type: string;
  readonly data: {
    readonly name: string;
    readonly file?: string;
    readonly nesting: number;
    readonly message?: string;
    readonly skip?: string | boolean;
    readonly details?: { readonly type?: string; readonly error?: Error & { readonly cause?: unknown } };
  };
};
type Section = { passed: number; failed: number; skipped: number; seconds: number; readonly notes: string[] };

const print = (line: string): void => void process.stdout.write(`${line}\n`);

const runSection = async (title: string, files: readonly string[]): Promise<Section> => {
  const section: Section = { passed: 0, failed: 0, skipped: 0, seconds: 0, notes: [] };
  const started = performance.now();
  const stream = run({ files: files.map((file) => join(root, file)), isolation: 'process', concurrency: 1 });
  for await (const { type, data } of stream as AsyncIterable<Event>) {
    if (type === 'test:diagnostic' && /\d+ rounds/.test(data.message ?? '')) section.notes.push(data.message ?? '');
    if ((type !== 'test:pass' && type !== 'test:fail') || data.details?.type === 'suite') continue;
    if (type === 'test:pass' && data.name === data.file) continue;
    if (data.skip !== undefined && data.skip !== false) section.skipped += 1;
    else if (type === 'test:pass') section.passed += 1;
    else {
      section.failed += 1;
      const file = data.file === undefined ? '' : relative(root, data.file);
      const error = data.details?.error;
      const cause = error?.cause instanceof Error ? error.cause : error;
      print(`FAIL ${data.name} (${file})\n${cause?.stack ?? cause?.message ?? 'no reason given'}`);
      section.notes.push(`failed: ${data.name}`);
    }
  }
  section.seconds = Math.round((performance.now() - started) / 1000);
  const { passed, failed, skipped, seconds } = section;
  print(
    `${failed === 0 ? 'ok  ' : 'FAIL'} ${title}: ${passed} passed, ${failed} failed, ${skipped} skipped (${seconds} s)`,
  );
  for (const note of section.notes) print(`     ${note}`);
  return section;
};

const usesProperties = (file: string): boolean => readFileSync(join(root, file), 'utf8').includes('propertyRuns(');
const testFiles = globSync('test/**/*.test.ts', { cwd: root })
  .map((file) => file.replaceAll('\\', '/'))
  .sort();
const plan: readonly (readonly [string, readonly string[]])[] = [
  ['Killed under load, power lost, disk full', testFiles.filter((file) => file.startsWith('test/crash/'))],
  [`Properties, ${propertyRuns} runs each`, testFiles.filter(usesProperties)],
];

const sections: (readonly [string, Section])[] = [];
for (const [title, files] of plan) sections.push([title, await runSection(title, files)]);

const git = (...args: readonly string[]): string => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
const dirty = git('status', '--porcelain', '--', 'src', 'test') === '' ? '' : ' with changes';
const report = `# Long tests

\`npm run test:long\`, ${new Date().toISOString().slice(0, 10)}, commit ${git('rev-parse', '--short=12', 'HEAD')}${dirty}, Node ${process.versions.node}, ${cpus().length} cores.

| what | passed | failed | skipped | seconds |
|---|---|---|---|---|
${sections.map(([title, one]) => `| ${title} | ${one.passed} | ${one.failed} | ${one.skipped} | ${one.seconds} |`).join('\n')}

${
  sections
    .flatMap(([, { notes }]) => notes)
    .map((note) => `- ${note}`)
    .join('\n') || 'Nothing to note.'
}
`;
mkdirSync(join(root, 'docs', 'reports'), { recursive: true });
writeFileSync(join(root, 'docs', 'reports', 'test-long.md'), report);
print('written: docs/reports/test-long.md');
process.exit(sections.every(([, { failed }]) => failed === 0) ? 0 : 1);
