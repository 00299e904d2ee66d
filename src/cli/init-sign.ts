// SPDX-License-Identifier: Apache-2.0
import { openSigner } from '../client/signer.ts';
import { visibleText } from '../client/visible-text.ts';
import { fingerprintWords } from '../crypto/words.ts';
import { refuse, type Result, ok } from '../kernel/refusal.ts';
import { askPerson } from './ask-person.ts';
import { readDraft, readSignatures, summaryIn, writeSignature, type Draft } from './draft-folder.ts';
import { draftSummary } from './genesis-summary.ts';
import { orFail, print, printJson, say, usage } from './output.ts';

export type SignOptions = {
  readonly key: string;
  readonly pin?: string;
  readonly json: boolean;
  readonly input: boolean;
};

/** Keys of the draft's roster that have not signed yet. */
export const missingKeys = (draft: Draft, claimed: ReadonlySet<string>): readonly string[] =>
  [...draft.genesis.roster.records.keys()]
    .filter((key) => key.startsWith('key/'))
    .map((key) => key.slice('key/'.length))
    .filter((fingerprint) => !claimed.has(fingerprint));

const differs = (message: string): Result<never> =>
  refuse(
    'draft-differs',
    'N7',
    message,
    {},
    'somebody has another draft than you: compare the six words with the other founders before anybody signs',
  );

// The words must have come over another channel than the draft, so they are not on the screen before they are typed.
const compared = async ({ genesis }: Draft, { pin, input }: SignOptions): Promise<Result<null>> => {
  const { ledger } = genesis.identity;
  if (pin !== undefined)
    return pin === ledger ? ok(null) : differs(`the draft has digest \`${ledger}\`, not \`${pin}\``);
  const words = fingerprintWords(ledger).join(' ');
  if (input && process.stdin.isTTY)
    say('Whoever drafted it reads out six words, over another channel than this folder came by: by voice is best.');
  const typed = input
    ? await askPerson('Let another founder read you their six words, and type them here to sign: ')
    : undefined;
  if (typed === undefined)
    return usage(
      'nobody is at the terminal to compare the six words',
      'give --pin DIGEST with the digest that another founder told you',
    );
  return typed.toLowerCase().split(/\s+/).join(' ') === words
    ? ok(null)
    : differs(`\`${visibleText(typed).slice(0, 80)}\` are not the words of this draft`);
};

// Whoever read another text than the draft gives has read what nobody signs.
const checkSummary = (folder: string, summary: readonly string[]): Result<null> => {
  const found = summaryIn(folder);
  return found === undefined || found === `${summary.join('\n')}\n`
    ? ok(null)
    : differs('`SUMMARY.txt` is not what this draft says');
};

/**
 * `init sign`: on a founder's own machine. Checks the draft with the code that will found the ledger, shows all of it,
 * has the words compared, and writes one signature file.
 */
export const signDraft = async (folder: string, options: SignOptions): Promise<void> => {
  const draft = orFail(readDraft(folder));
  const signer = orFail(await openSigner(options.key, { env: process.env, input: options.input }));
  const { fingerprint } = signer.key;
  const record = draft.genesis.roster.records.get(`key/${fingerprint}`);
  if (record === undefined)
    orFail(
      refuse(
        'key-unknown',
        'S3',
        `key \`${fingerprint}\` does not stand in the draft's roster`,
        { key: fingerprint },
        'sign with a key that the draft lists, or have the draft made again with this one',
      ),
    );
  const summary = draftSummary(draft.genesis, draft.names);
  orFail(checkSummary(folder, summary));
  for (const line of summary) say(line);
  say('');
  orFail(await compared(draft, options));
  const blob = orFail(await signer.sign(draft.statement, 'countersign-genesis@v1'));
  const file = writeSignature(draft, fingerprint, blob);
  const missing = missingKeys(draft, orFail(readSignatures(draft)).claimed);
  if (options.json) printJson({ file, key: fingerprint, ledger: draft.genesis.identity.ledger, missing });
  else {
    print(file);
    say(
      `Signed with ${fingerprint}, as ${String(record?.['holder'])}. Hand that file back to whoever keeps the draft.`,
    );
    say(
      `Six words for the next founder to hear from you: ${fingerprintWords(draft.genesis.identity.ledger).join(' ')}`,
    );
    say(
      missing.length === 0 ? 'Every key has signed: countersign init finish' : `Still to sign: ${missing.join(', ')}`,
    );
  }
};
