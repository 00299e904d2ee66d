// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openSigner, type Signer } from '../client/signer.ts';
import { generateEd25519 } from '../crypto/openssh-private-key.ts';
import { digestOf } from '../crypto/digest.ts';
import { encodeBase64 } from '../kernel/base64.ts';
import { refuse } from '../kernel/refusal.ts';
import { foundLedger } from '../server/found-ledger.ts';
import { logKeyInAgent, rawPublicKey, type LogAgent } from '../server/log-agent.ts';
import { composeGenesis, type Plan } from './founding.ts';
import { writeNames } from './init-finish.ts';
import { fail, orFail } from './output.ts';

/** Opens every private key of a folder; files that are none are left aside. */
export const signersIn = async (folder: string): Promise<ReadonlyMap<string, Signer>> => {
  const signers = new Map<string, Signer>();
  for (const name of readdirSync(folder).sort()) {
    const file = join(folder, name);
    if (name.endsWith('.pub') || !isPrivateKey(file)) continue;
    const signer = orFail(await openSigner(file, { env: process.env, input: false }));
    signers.set(signer.key.fingerprint, signer);
  }
  return signers;
};

const isPrivateKey = (file: string): boolean => {
  try {
    return readFileSync(file, 'utf8').startsWith('-----BEGIN OPENSSH PRIVATE KEY-----');
  } catch {
    return false;
  }
};

export type Founded = { readonly ledger: string; readonly origin: string };

/**
 * Founds a trial ledger in one go, with private keys of everybody at hand. That is why it is a trial: marked in the
 * origin of every checkpoint, refused without `--allow-trial`, and never to become a real one.
 */
export const foundTrial = async (
  plan: Plan,
  {
    dir,
    keys,
    founders,
    logAgent,
    config,
  }: {
    readonly dir: string;
    readonly keys: string;
    readonly founders: readonly string[];
    /** Where the log key lies; without it one is made. */
    readonly logAgent?: LogAgent | undefined;
    readonly config?: string;
  },
): Promise<Founded> => {
  const signers = await signersIn(keys);
  const wanted = Object.keys(plan.records)
    .filter((key) => key.startsWith('key/'))
    .map((key) => key.slice('key/'.length));
  const missing = wanted.filter((fingerprint) => !signers.has(fingerprint));
  if (missing.length > 0)
    fail(
      refuse(
        'genesis-unsigned',
        'N2',
        `\`${keys}\` holds no private key for ${missing.map((key) => `\`${key}\``).join(', ')}`,
        { missing },
        'a trial is signed by every key of its roster at once; put the private keys there, or found a real ledger with `countersign init draft`',
      ).refusal,
    );
  const made = generateEd25519();
  const logKey = logAgent === undefined ? made.public : orFail(await logKeyInAgent(logAgent));
  const { d = '' } = made.signKey.export({ format: 'jwk' });
  const { statement, roster, policy } = composeGenesis(plan, {
    trial: true,
    founders: [...founders],
    threshold: Math.min(2, founders.length),
    recovery: null,
    log_key: encodeBase64(rawPublicKey(logKey)),
  });
  const signatures: string[] = [];
  for (const fingerprint of wanted) {
    const signer = signers.get(fingerprint);
    if (signer !== undefined)
      signatures.push(encodeBase64(orFail(await signer.sign(statement, 'countersign-genesis@v1'))));
  }
  const attachments = new Map([roster, policy].map((bytes) => [digestOf(bytes), bytes]));
  const founded = orFail(
    await foundLedger(dir, {
      genesis: { type: 'Genesis', statement, signatures, attachments: [...attachments.keys()] },
      attachments,
      ...(logAgent === undefined ? { logSeed: Buffer.from(d, 'base64url') } : { logAgent }),
      ...(config === undefined ? {} : { config }),
    }),
  );
  writeNames(dir, plan.names);
  return founded;
};
