// SPDX-License-Identifier: Apache-2.0
import { verify } from 'node:crypto';
import type { Envelope } from '../kernel/statements.ts';
import { pendingCheck } from '../roster/authenticate.ts';

/**
 * Has a signature checked by another thread, and its answer remembered: the arithmetic costs more than all else that is
 * done with a statement. Whoever asks about the very same bytes afterwards finds the answer.
 */
export const checkElsewhere = (envelope: Envelope, namespace: string): Promise<void> => {
  const pending = pendingCheck(envelope, namespace);
  if (pending === undefined) return Promise.resolve();
  const { algorithm, data, key, signature } = pending.check;
  return new Promise((resolve) => {
    verify(algorithm, data, key, signature, (error, holds) => {
      // Without an answer nothing is remembered, and whoever asks has it checked again.
      if (error === null) pending.settle(holds);
      resolve();
    });
  });
};
