#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The published face of the command line: says plainly what is wrong on an old Node, else hands over to the source.
const major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  process.stderr.write(
    `countersign needs Node 24 or newer; this is Node ${process.versions.node}. In a clone, \`npm start\` brings its own.\n`,
  );
  process.exit(1);
}
await import('../src/cli/main.ts');
