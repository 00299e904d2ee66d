// SPDX-License-Identifier: Apache-2.0
// Published test data that stands beside the repository. It is not copied in, so a clone may be without it.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';

const root = process.env['COUNTERSIGN_TEST_DATA'] ?? join(import.meta.dirname, '..', '..', 'shared', 'data');
const pathOf = (path: string): string => join(root, 'vectors', path);

/** One file of the vectors, such as `jcs/input/french.json`. */
export const readVector = (path: string): Buffer => readFileSync(pathOf(path));
export const readVectorText = (path: string): string => readVector(path).toString('utf8');
export const listVectors = (folder: string): readonly string[] => readdirSync(pathOf(folder)).sort();
/** For handing a file to another program. */
export const vectorPath = pathOf;

/** A file of cases. It is trusted: it is part of the test, not of what is tested. */
export const readCases = <T>(path: string): T => JSON.parse(readVectorText(path)) as T;

/** A test over a folder of vectors: skips saying so where they are missing, and fails instead where CI=true. */
export const vectorTest = (name: string, folder: string, body: (t: TestContext) => void | Promise<void>): void => {
  test(name, async (t) => {
    if (existsSync(pathOf(folder))) return body(t);
    const missing = `the vectors \`${folder}\` are missing; set COUNTERSIGN_TEST_DATA to the folder that holds \`vectors/\``;
    if (process.env['CI'] === 'true') throw new Error(missing);
    t.skip(missing);
  });
};
