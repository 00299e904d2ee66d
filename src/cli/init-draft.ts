// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { readPublicKey } from '../client/signer.ts';
import { fingerprintWords } from '../crypto/words.ts';
import { formatOpenSshPrivateKey, generateEd25519 } from '../crypto/openssh-private-key.ts';
import { digestOf } from '../crypto/digest.ts';
import { canonicalize } from '../kernel/canonical-json.ts';
import { readUnsignedGenesis, type GenesisStatement } from '../lifecycle/genesis.ts';
import { writeDraft } from './draft-folder.ts';
import { encodeBase64 } from '../kernel/base64.ts';
import { logKeyInAgent, rawPublicKey } from '../server/log-agent.ts';
import { durationMs } from './duration.ts';
import { composeGenesis, foundersOf, idOfPerson, readPlan, type Plan } from './founding.ts';
import { draftSummary } from './genesis-summary.ts';
import { logAgentIn } from './log-key-argument.ts';
import { orFail, print, printJson, say, usage } from './output.ts';
import { writePrivate } from './write-private.ts';

export type DraftOptions = {
  readonly roster: string;
  readonly policy: readonly string[];
  readonly keys?: string;
  readonly founder: readonly string[];
  readonly threshold: string;
  readonly recovery: readonly string[];
  readonly recoveryThreshold: string;
  readonly recoveryDelay: string;
  readonly logKey: string;
  readonly json: boolean;
};

export const wholeNumber = (given: string, option: string, least: number): number => {
  if (/^\d{1,3}$/.test(given) && Number(given) >= least) return Number(given);
  return usage(`${option} \`${given}\` is no whole number from ${least} on`);
};

/** `HANDLE=FILE.pub` or `HANDLE=SHA256:…`, for each offline key that may re-found the ledger. */
const recoveryOf = (plan: Plan, options: DraftOptions): GenesisStatement['recovery'] => {
  const holders = options.recovery.map((given) => {
    const split = given.indexOf('=');
    const [handle, key] = [given.slice(0, split), given.slice(split + 1)];
    if (split < 1)
      usage(`--recovery \`${given}\` names no key`, 'write HANDLE=FILE.pub, such as grace=grace-recovery.pub');
    const fingerprint = /^SHA256:[A-Za-z0-9+/]{43}$/.test(key) ? key : orFail(readPublicKey(key)).fingerprint;
    if (plan.records[`key/${fingerprint}`] !== undefined)
      usage(
        `recovery key \`${fingerprint}\` is an everyday key of the roster as well`,
        'keep recovery keys apart, offline: they are for the day the others are lost',
      );
    return { person: idOfPerson(plan, handle), key: fingerprint };
  });
  return {
    holders,
    threshold: wholeNumber(options.recoveryThreshold, '--recovery-threshold', 2),
    delay_ms: durationMs(options.recoveryDelay, '--recovery-delay'),
  };
};

const checkNewKeyFile = (file: string, folder: string): void => {
  if (existsSync(file))
    usage(`\`${file}\` is there already`, 'a log key belongs to one ledger: name a new file with --log-key');
  if (`${resolve(file)}/`.startsWith(`${resolve(folder)}/`))
    usage('the log key would lie in the draft, which is handed around', 'name a file elsewhere with --log-key');
};

/**
 * `init draft`: what all founders sign, made by whoever will run the server. Only the log key is made here, unless it
 * lies in an agent already, and it stays here: it signs checkpoints and can decide nothing.
 */
export const makeDraft = async (folder: string, options: DraftOptions): Promise<void> => {
  const plan = readPlan(options.roster, options.policy, options.keys);
  const founders = foundersOf(plan, options.founder);
  const recovery = recoveryOf(plan, options);
  const agent = logAgentIn(options.logKey);
  if (agent === undefined) checkNewKeyFile(options.logKey, folder);
  const made = generateEd25519();
  const logKey = agent === undefined ? made.public : orFail(await logKeyInAgent(agent));
  const log_key = encodeBase64(rawPublicKey(logKey));
  const threshold = wholeNumber(options.threshold, '--threshold', 1);
  const { statement, roster, policy } = composeGenesis(plan, { trial: false, founders, threshold, recovery, log_key });
  const documents = new Map([roster, policy].map((bytes) => [digestOf(bytes), bytes]));
  const genesis = orFail(readUnsignedGenesis(statement, documents));
  const summary = draftSummary(genesis, plan.names);
  const names = canonicalize({ ...plan.names });
  orFail(writeDraft(folder, { statement, roster, policy, names, summary: `${summary.join('\n')}\n` }));
  if (agent === undefined)
    writePrivate(options.logKey, formatOpenSshPrivateKey(made, `log key of ${genesis.identity.origin}`), {
      fresh: true,
    });
  const { ledger } = genesis.identity;
  const words = fingerprintWords(ledger);
  if (options.json) {
    printJson({ draft: folder, log_key: options.logKey, ledger, words });
    return;
  }
  print(ledger);
  say(
    agent === undefined
      ? `Wrote the draft to ${folder} and the log key to ${options.logKey}. The log key stays with you.`
      : `Wrote the draft to ${folder}. The log key stays in the agent: ${agent.fingerprint}.`,
  );
  say(`Read ${join(folder, 'SUMMARY.txt')}, then give each holder of a key the folder ${folder}.`);
  say(`Six words, to compare by voice: ${words.join(' ')}`);
  say('Read them out to each founder: `init sign` asks for them, and they stand in no file of the draft.');
  say('');
  say(`Each on their own machine:  countersign init sign ${folder} --key FILE`);
  say(
    `When all have signed:       countersign init finish ${folder} --dir ${join(dirname(folder), 'ledger')} --log-key ${options.logKey}`,
  );
};
