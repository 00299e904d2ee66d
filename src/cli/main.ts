// SPDX-License-Identifier: Apache-2.0
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

// Compiled code is kept beside the packages: a verb then starts in a third of the time. Whoever can write there can
// change the program itself, so this trusts nobody new; where it cannot be written, nothing is kept. Never in a folder
// that others share, such as /tmp: what they put there would run.
enableCompileCache(fileURLToPath(new URL('../../node_modules/.cache/countersign', import.meta.url)));
await import('./program.ts');
