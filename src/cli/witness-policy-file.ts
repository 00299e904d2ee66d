// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { parseWitnessPolicy, type WitnessPolicy } from '../ledger/witness-policy.ts';
import { orFail, usage } from './output.ts';

/** Reads the policy of witnesses that `--witnesses` names; undefined without one. One that cannot be read ends the command. */
export const readPolicyFile = (file: string | undefined): WitnessPolicy | undefined => {
  if (file === undefined) return undefined;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const why = missing ? 'is not there' : 'cannot be read, or is not UTF-8';
    return usage(`--witnesses \`${file}\` ${why}`, 'name a policy of witnesses, of the form of c2sp.org/tlog-policy');
  }
  return orFail(parseWitnessPolicy(text));
};
