// SPDX-License-Identifier: Apache-2.0
import { readCheckpointNote } from '../ledger/checkpoint.ts';
import { forkProofType, parseForkProof, verifyForkProof } from '../ledger/fork-proof.ts';
import { forkAsJson, formatFork } from '../verify/fork-report.ts';
import { logKeyFor } from './log-key-of.ts';
import { orFail, printJson } from './output.ts';

/** Whether a file says that it proves a fork; cheaply, since every other file is read by its own rules. */
export const saysFork = (bytes: Uint8Array): boolean =>
  bytes.length < 1024 * 1024 && Buffer.from(bytes).includes(`"type":"${forkProofType}"`) && parseForkProof(bytes).ok;

/** `verify` of a proof of a fork: from the log's key alone. Ends with exit code 7 when it proves none. */
export const verifyFork = (
  bytes: Uint8Array,
  options: { readonly logKey?: string; readonly pin?: string; readonly json: boolean },
): void => {
  const { first } = orFail(parseForkProof(bytes));
  const { origin } = orFail(readCheckpointNote(first));
  const fork = orFail(verifyForkProof(bytes, logKeyFor(origin, options)));
  if (options.json) printJson(forkAsJson(fork));
  else process.stdout.write(formatFork(fork));
};
