// SPDX-License-Identifier: Apache-2.0
// The import law of docs/ARCHITECTURE.md, the purity of the core, and the size of files.
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const list = (pattern: string): string[] =>
  globSync(pattern, { cwd: root })
    .map((file) => file.replaceAll('\\', '/'))
    .sort();
const sources = list('src/**/*.ts');

type Import = { readonly file: string; readonly from: string; readonly typeOnly: boolean };
const importsOf = (file: string): Import[] =>
  [...read(file).matchAll(/^(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm)].map((match) => ({
    file,
    typeOnly: match[1] !== undefined,
    from: match[2] ?? '',
  }));
// Also the file that another thread starts with.
const dynamicImports = (file: string): Import[] =>
  [...read(file).matchAll(/\b(?:import\('([^']+)'\)|new URL\('([^']+\.ts)', import\.meta\.url)/g)].map((match) => ({
    file,
    typeOnly: false,
    from: match[1] ?? match[2] ?? '',
  }));
const imports = sources.flatMap((file) => [...importsOf(file), ...dynamicImports(file)]);

const folderOf = (file: string): string => file.split('/')[1] ?? '';
const resolved = ({ file, from }: Import): string => posix.normalize(posix.join(dirname(file), from));

// The order is the law: a folder sees itself and what stands before it.
const stages = ['request', 'assess', 'approve', 'timelock', 'execute', 'access', 'monitor', 'review', 'analyze'];
const pure = ['kernel', 'crypto', 'ledger', 'policy', 'roster', ...stages, 'lifecycle'];
const all = [...pure, 'contract', 'verify', 'enforce', 'app', 'adapters', 'client', 'server', 'cli', 'demo'];
const before = (folder: string): string[] => pure.slice(0, pure.indexOf(folder) + 1);
const sees: { readonly [folder: string]: readonly string[] } = {
  ...Object.fromEntries(pure.map((folder) => [folder, before(folder)])),
  contract: ['kernel', 'contract'],
  verify: [...pure, 'verify'],
  enforce: [...pure, 'verify', 'enforce'],
  app: [...pure, 'app'],
  adapters: ['kernel', 'crypto', 'ledger', 'request', 'app', 'adapters'],
  client: [...pure, 'contract', 'verify', 'client'],
  server: all,
  cli: all,
  demo: all,
};

test('every folder of src has its place in the import law', () => {
  assert.deepEqual(
    [...new Set(sources.map(folderOf))].filter((folder) => !all.includes(folder)),
    [],
  );
});

test('no folder imports what the law does not let it see', () => {
  const broken = imports
    .filter(({ from }) => from.startsWith('.'))
    .filter((one) => {
      const [own, other] = [folderOf(one.file), folderOf(resolved(one))];
      if (sees[own]?.includes(other)) return false;
      // Types of a later stage may be named, and roster facts are what policy is checked against.
      return !(one.typeOnly && pure.includes(own) && pure.includes(other));
    });
  assert.deepEqual(
    broken.map((one) => `${one.file} → ${one.from}`),
    [],
  );
});

test('only the edge may say what a signature check came to elsewhere', () => {
  const users = sources.filter((file) => /\bpendingCheck\b/.test(read(file)));
  assert.deepEqual(users, ['src/app/check-elsewhere.ts', 'src/cli/ledger-unchecked.ts', 'src/roster/authenticate.ts']);
  // What takes signatures as they are serves a process that decides nothing.
  assert.deepEqual(
    imports.filter((one) => resolved(one) === 'src/cli/ledger-unchecked.ts').map(({ file }) => file),
    ['src/cli/ledger-replay.ts'],
  );
});

test('an adapter sees no other adapter', () => {
  const broken = imports.filter((one) => {
    if (folderOf(one.file) !== 'adapters' || !one.from.startsWith('.') || folderOf(resolved(one)) !== 'adapters')
      return false;
    return resolved(one).split('/')[2] !== one.file.split('/')[2];
  });
  assert.deepEqual(
    broken.map((one) => `${one.file} → ${one.from}`),
    [],
  );
});

const documents = /^src\/(policy|roster)\/(parse|document|compile|cel|source)[a-z-]*\.ts$/;

test('the pure core uses no package, and only crypto uses node:crypto', () => {
  const broken = imports.filter(({ file, from }) => {
    if (!pure.includes(folderOf(file)) || from.startsWith('.')) return false;
    if (folderOf(file) === 'crypto' && from === 'node:crypto') return false;
    return (
      !documents.test(file) ||
      !['yaml', 'zod', '@bufbuild/cel', '@bufbuild/protobuf'].some(
        (name) => from === name || from.startsWith(`${name}/`),
      )
    );
  });
  assert.deepEqual(
    broken.map((one) => `${one.file} → ${one.from}`),
    [],
  );
});

test('what the core runs never reaches the policy documents side, nor anything with packages', () => {
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file) || !existsSync(join(root, file))) return;
    seen.add(file);
    for (const one of imports.filter((other) => other.file === file && !other.typeOnly)) {
      if (one.from.startsWith('.')) visit(resolved(one));
      else assert.ok(one.from.startsWith('node:'), `${file} → ${one.from}`);
    }
  };
  visit('src/lifecycle/lifecycle.ts');
  visit('src/verify/verify.ts');
  assert.ok(seen.size > 20);
});

const impure = [
  /\basync\b/,
  /\bawait\b/,
  /\bDate\.now\b/,
  /new Date\(\)/,
  /Math\.random/,
  /\bprocess\./,
  /\bsetTimeout\b/,
  /\bfetch\(/,
  /\bconsole\./,
  /\bPromise\b/,
  /randomBytes|randomUUID/,
];
test('from kernel to lifecycle there is no clock, no randomness, no I/O and no async', () => {
  // Making a key needs randomness; nothing that decides imports these.
  const makers = new Set(['src/crypto/openssh-private-key.ts', 'src/crypto/generate-key.ts']);
  // The storage port is a promise to whoever implements it, not something the core calls.
  const ports = new Set(['src/ledger/store.ts', 'src/ledger/witness-port.ts']);
  const broken = sources
    .filter((file) => pure.includes(folderOf(file)) && !makers.has(file) && !ports.has(file))
    .flatMap((file) => {
      const code = read(file)
        .replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
        .replaceAll(/'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/g, "''");
      return impure.filter((form) => form.test(code)).map((form) => `${file}: ${form.source}`);
    });
  assert.deepEqual(broken, []);
});

test('files are kebab-case, named after one idea, short, and licensed', () => {
  const files = [...sources, ...list('test/**/*.ts'), ...list('bench/**/*.ts'), ...list('scripts/**/*.{ts,mjs}')];
  for (const file of files) {
    const text = read(file);
    assert.match(file, /^[a-z0-9/.-]+$/, `${file} is not kebab-case`);
    assert.doesNotMatch(
      file,
      /(^|\/)(utils?|helpers?|common|shared|types|index)(\.|\/)/,
      `${file} is named after nothing`,
    );
    assert.ok(text.split('\n').length <= 500, `${file} has more than 500 lines`);
    assert.ok(
      text.split('\n').slice(0, 2).includes('// SPDX-License-Identifier: Apache-2.0'),
      `${file} has no licence line`,
    );
  }
});

test('no file of src is dead: each is reached from an entry point or a test', () => {
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file) || !existsSync(join(root, file))) return;
    seen.add(file);
    for (const one of [...importsOf(file), ...dynamicImports(file)])
      if (one.from.startsWith('.')) visit(posix.normalize(posix.join(dirname(file), one.from)));
  };
  for (const entry of [
    'src/cli/main.ts',
    'src/client/client.ts',
    'src/verify/verify.ts',
    'src/verify/main.ts',
    'src/ledger/ledger.ts',
    'src/enforce/enforce.ts',
    ...list('test/**/*.ts'),
  ])
    visit(entry);
  assert.deepEqual(
    sources.filter((file) => !seen.has(file)),
    [],
  );
});
