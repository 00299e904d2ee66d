#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The face of the command line: on an old Node it hands over to the one that the lockfile brought, or says what is wrong.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const major = Number(process.versions.node.split('.')[0]);
const brought = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url));

if (major >= 24) await import('../src/cli/main.ts');
else if (existsSync(brought)) {
  const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));
  const child = spawn(brought, [main, ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    process.stderr.write(`countersign: \`${brought}\` cannot be started: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (constants.signals[signal ?? 'SIGTERM'] ?? 15);
  });
} else {
  process.stderr.write(
    `countersign needs Node 24 or newer; this is Node ${process.versions.node}. In a clone, \`npm start\` brings its own.\n`,
  );
  process.exitCode = 1;
}
