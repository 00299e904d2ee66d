// SPDX-License-Identifier: Apache-2.0
import { commits } from './commits.ts';
import { emergencies } from './emergencies.ts';
import { governance } from './governance.ts';
import type { History } from './history.ts';
import { ordinary } from './ordinary.ts';
import { refusals } from './refusals.ts';
import { unsound } from './unsound.ts';

/** What the ledgers of a release are made from. */
export const histories: readonly History[] = [ordinary, emergencies, refusals, governance, unsound, commits];
