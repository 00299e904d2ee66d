// SPDX-License-Identifier: Apache-2.0
// npm run bench -- [--json] [name …]
import { globSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { BenchLine } from './bench-line.ts';

const notBenches = new Set([
  'run',
  'bench-line',
  'http-sender',
  'appending',
  'looking',
  'postgres-appending',
  'two-seats',
]);
const names = globSync('*.ts', { cwd: import.meta.dirname })
  .map((file) => basename(file, '.ts'))
  .filter((name) => !notBenches.has(name))
  .sort();
const json = process.argv.includes('--json');
const wanted = process.argv.slice(2).filter((word) => word !== '--json');
const unknown = wanted.find((name) => !names.includes(name));
if (unknown !== undefined) {
  process.stderr.write(`there is no bench \`${unknown}\`; there are ${names.join(', ')}\n`);
  process.exit(2);
}

for (const name of wanted.length > 0 ? wanted : names) {
  const { run } = (await import(join(import.meta.dirname, `${name}.ts`))) as {
    run: () => Promise<readonly BenchLine[]>;
  };
  for (const line of await run()) {
    const { bench, ours, unit, against, theirs, ratio } = line;
    process.stdout.write(
      json
        ? `${JSON.stringify(line)}\n`
        : `${bench.padEnd(24)} ${String(ours).padStart(9)} ${unit.padEnd(8)} ${ratio.toFixed(2).padStart(7)} × ${theirs} (${against})\n`,
    );
  }
}
process.exit(0);
