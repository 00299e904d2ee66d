// SPDX-License-Identifier: Apache-2.0
import { accessAttacks } from './catalogue-access.ts';
import { changeAttacks } from './catalogue-change.ts';
import { ledgerAttacks } from './catalogue-ledger.ts';

/** One known way round a gate, with the tests of this folder that try it, or why it does not apply yet and what brings it. */
export type AttackClass =
  | { readonly id: string; readonly what: string; readonly shownBy: readonly string[] }
  | { readonly id: string; readonly what: string; readonly notYet: string };

/** A: access and approval; C: change, pipeline and cluster; T: ledger, signatures and time. */
export const catalogue: readonly AttackClass[] = [...accessAttacks, ...changeAttacks, ...ledgerAttacks];
