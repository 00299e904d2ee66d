// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { formatCosignerKey } from '../crypto/cosignature.ts';
import { makeWitnessFolder, witnessFiles } from '../server/witness-folder.ts';
import { orFail, print, printJson, say } from './output.ts';
import { writePrivate } from './write-private.ts';

export type WitnessInitOptions = {
  readonly dir: string;
  readonly name: string;
  readonly log?: readonly string[];
  readonly json: boolean;
};

export const initWitness = ({ dir, name, log = [], json }: WitnessInitOptions): void => {
  const made = makeWitnessFolder(dir, name, log, (file, text) => writePrivate(file, text, { fresh: true }));
  const vkey = formatCosignerKey(orFail(made));
  if (json) {
    printJson({ dir, name, vkey, logs: log.length });
    return;
  }
  print(vkey);
  say(`Made a witness in ${dir}. Its private key stays there: ${join(dir, witnessFiles.key)}`);
  say('Never copy the folder back from a backup: a witness that forgot what it cosigned would cosign two histories.');
  if (log.length === 0) say(`Write the logs that it cosigns into ${join(dir, witnessFiles.logs)}.`);
  say(`Then:  countersign witness serve --dir ${dir}`);
};
