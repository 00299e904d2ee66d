// SPDX-License-Identifier: Apache-2.0
import { existsSync, writeFileSync } from 'node:fs';
import { fingerprintWords } from '../crypto/words.ts';
import { signStatement } from '../client/statements.ts';
import { randomPersonId } from './founding.ts';
import { openKey } from './open-client.ts';
import { orFail, print, printJson, say, usage } from './output.ts';

export type PossessionOptions = {
  readonly key?: string;
  readonly holder?: string;
  readonly pin?: string;
  readonly out: string;
  readonly json: boolean;
  readonly input: boolean;
};

/**
 * `roster possession`: on the holder's own machine, signs with a new key that the holder has it (SPEC O8). Needs no
 * server. Without `--holder` it draws the id of a person who is new.
 */
export const provePossession = async ({ key, holder, pin, out, json, input }: PossessionOptions): Promise<void> => {
  if (pin === undefined || !/^sha256:[0-9a-f]{64}$/.test(pin))
    return usage('--pin is missing or no digest', 'take the pin of the ledger from a founder: --pin sha256:…');
  const principal = holder ?? `person:${randomPersonId()}`;
  if (!/^(person:p_[a-z0-9_]{4,40}|machine:[a-z][a-z0-9-]{0,62})$/.test(principal))
    usage(`--holder \`${principal}\` is no principal`, 'write person:<id> or machine:<name>');
  if (existsSync(out)) usage(`\`${out}\` is there already`, 'name a new file with --out');
  const signer = await openKey(key, { input });
  const { fingerprint } = signer.key;
  const envelope = orFail(
    await signStatement(signer, {
      type: 'countersign.dev/key-possession/v0',
      ledger: pin,
      tenant: 'main',
      holder: principal,
      key: fingerprint,
    }),
  );
  writeFileSync(out, `${JSON.stringify(envelope)}\n`);
  const words = fingerprintWords(fingerprint);
  if (json) return printJson({ file: out, holder: principal, key: fingerprint, words });
  print(out);
  say(`${principal} holds ${fingerprint}. Read these words to whoever enrols you: ${words.join(' ')}`);
  const person = principal.replace('person:', '');
  say(
    holder === undefined
      ? `They run: countersign roster propose --add-person ${person},team=TEAM --possession ${out} --reason …`
      : `They run: countersign roster propose --possession ${out} --reason …`,
  );
  say('with the flag that their ledger needs: --allow-trial for a trial, --accept-v0 for a real one.');
};
