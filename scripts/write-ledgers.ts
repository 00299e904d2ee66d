// SPDX-License-Identifier: Apache-2.0
// Writes the golden ledgers of this release, once: `node scripts/write-ledgers.ts`. A release that has them is left alone.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ledgersFolder, writeGolden } from '../test/golden/golden-ledger.ts';
import { histories } from '../test/golden/histories.ts';
import { commandsOf, play } from '../test/golden/play.ts';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
};
const release = join(ledgersFolder, version);
if (existsSync(release)) {
  process.stderr.write(
    `spec/ledgers/${version} is there already. What a release decided stays decided: raise the version in package.json, ` +
      'or remove the folder and its lines in SHA256SUMS if that version was never released.\n',
  );
  process.exit(1);
}

const sums = join(ledgersFolder, 'SHA256SUMS');
const lines = existsSync(sums) ? readFileSync(sums, 'utf8').trimEnd().split('\n').filter(Boolean) : [];
for (const { name, about, live } of histories) {
  const world = live();
  const folder = join(release, name);
  mkdirSync(folder, { recursive: true });
  writeGolden(folder, await play(about, commandsOf(world.entries), world.blobs, world.signer));
  for (const file of readdirSync(folder).sort()) {
    const sum = createHash('sha256')
      .update(readFileSync(join(folder, file)))
      .digest('hex');
    lines.push(`${sum}  ${version}/${name}/${file}`);
  }
  process.stderr.write(`spec/ledgers/${version}/${name}: ${world.entries.length} entries\n`);
}
writeFileSync(sums, `${lines.sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1)).join('\n')}\n`);
