// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander';

/** One verb of the command line, in a file of its own name: adds its command to the program. Loaded only when used. */
export type Verb = (program: Command) => void;
