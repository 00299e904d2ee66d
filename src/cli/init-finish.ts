// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fingerprintWords } from '../crypto/words.ts';
import { refuse } from '../kernel/refusal.ts';
import { foundLedger } from '../server/found-ledger.ts';
import { readLogSeed } from '../server/log-key.ts';
import { readDraft, readSignatures, type Draft, type Names } from './draft-folder.ts';
import { missingKeys } from './init-sign.ts';
import { logAgentIn } from './log-key-argument.ts';
import { fail, orFail, print, printJson, say, usage } from './output.ts';
import { writePrivate } from './write-private.ts';

export type FinishOptions = {
  readonly dir: string;
  readonly logKey: string;
  readonly config?: string;
  readonly json: boolean;
};

/** The text of a file that becomes the new folder's `countersign.yaml`. */
export const configOption = (file: string | undefined): { readonly config?: string } => {
  if (file === undefined) return {};
  try {
    return { config: readFileSync(file, 'utf8') };
  } catch {
    return usage(
      `--config \`${file}\` cannot be read`,
      'give the file that shall be the countersign.yaml of the folder',
    );
  }
};

/** What a server shows beside ids: never in the ledger, so that it can be changed and erased. */
export const writeNames = (dir: string, { people, titles, runbooks }: Names): void => {
  writePrivate(join(dir, 'people.json'), `${JSON.stringify(people, null, 2)}\n`);
  const prose = Object.fromEntries(
    Object.entries(titles).map(([action, title]) => [action, { title, runbook: runbooks[action] ?? null }]),
  );
  writePrivate(join(dir, 'prose.json'), `${JSON.stringify(prose, null, 2)}\n`);
};

const refuseMissing = (missing: readonly string[], { genesis, names }: Draft): never => {
  const listed = missing.map((key) => {
    const holder = String(genesis.roster.records.get(`key/${key}`)?.['holder'] ?? '');
    const name = names.people[holder.replace(/^person:/, '')];
    return `${key} of ${name ?? holder}`;
  });
  return fail(
    refuse(
      'genesis-unsigned',
      'N2',
      `${missing.length} key${missing.length === 1 ? ' has' : 's have'} not signed: ${listed.join(', ')}`,
      { missing },
      'let each holder run `countersign init sign`, and put their files into `signatures/`',
    ).refusal,
  );
};

/** `init finish`: checks every signature through the core, writes the data folder, and prints the pin. */
export const finishDraft = async (folder: string, { dir, logKey, config, json }: FinishOptions): Promise<void> => {
  const draft = orFail(readDraft(folder));
  const { signatures, claimed } = orFail(readSignatures(draft));
  const missing = missingKeys(draft, claimed);
  if (missing.length > 0) refuseMissing(missing, draft);
  const logAgent = logAgentIn(logKey);
  const { attachments, statement } = draft;
  const founded = orFail(
    await foundLedger(dir, {
      genesis: { type: 'Genesis', statement, signatures, attachments: [...attachments.keys()] },
      attachments,
      ...(logAgent === undefined ? { logSeed: orFail(readLogSeed(logKey)) } : { logAgent }),
      ...configOption(config),
    }),
  );
  writeNames(dir, draft.names);
  const words = fingerprintWords(founded.ledger);
  if (json) {
    printJson({ dir, ...founded, words });
    return;
  }
  print(founded.ledger);
  say(`Founded in ${dir}. Above stands the pin: ${words.join(' ')}`);
  say('Hand the pin around through the founders, never through the server: it is what everybody trusts.');
  say(`Next: countersign serve --dir ${dir}`);
  say("Then, on everybody's own machine, with the address of the server:");
  say(`      countersign login --server URL --pin ${founded.ledger} --key ~/.ssh/id_ed25519`);
  say('      countersign request ACTION --reason … --accept-v0');
  say(
    'Formats are still v0: verbs that verify ask for --accept-v0, or for COUNTERSIGN_ACCEPT_V0=1 in the environment.',
  );
};
