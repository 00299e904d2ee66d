// SPDX-License-Identifier: Apache-2.0
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { parseOpenSshPrivateKey, type PrivateKey } from '../crypto/openssh-private-key.ts';
import { parseSshKeyBlob } from '../crypto/ssh-key.ts';
import { wireString } from '../crypto/ssh-wire.ts';
import { BrokenInvariant, ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';

/** An Ed25519 key from its seed of 32 bytes (RFC 8032 section 5.1.5). */
export const privateKeyFromSeed = (seed: Uint8Array): PrivateKey => {
  if (seed.length !== 32) throw new BrokenInvariant('an Ed25519 seed has 32 bytes');
  // PKCS #8 of an Ed25519 key (RFC 8410 section 7) is this prefix and the seed.
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  const signKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const { x = '' } = createPublicKey(signKey).export({ format: 'jwk' });
  const key = parseSshKeyBlob(Buffer.concat([wireString('ssh-ed25519'), wireString(Buffer.from(x, 'base64url'))]));
  if (!key.ok) throw new BrokenInvariant(key.refusal.message);
  return { public: key.value, signKey };
};

/** Refuses a file that others on the machine may read or change (SPEC H8); for secrets, and for lists of who may read. */
export const checkPrivate = (file: string): Refused | undefined => {
  // Windows has no such bits.
  if (process.platform === 'win32' || (statSync(file).mode & 0o077) === 0) return undefined;
  return refuse('file-too-open', 'H8', `others may open \`${file}\``, { file }, `run \`chmod 600 ${file}\``);
};

/** Seed of the key that signs a ledger's checkpoints, from its file. */
export const readLogSeed = (file: string): Result<Uint8Array> => {
  let text: string;
  try {
    const open = checkPrivate(file);
    if (open !== undefined) return open;
    text = readFileSync(file, 'utf8');
  } catch {
    return refuse(
      'ledger-missing',
      'H8',
      `the log key \`${file}\` cannot be read`,
      { file },
      'put it back, or look at `--dir`; without it no checkpoint can be signed',
    );
  }
  const key = parseOpenSshPrivateKey(text);
  if (!key.ok) return key;
  const { d = '' } = key.value.signKey.export({ format: 'jwk' });
  if (key.value.public.type === 'ssh-ed25519') return ok(Buffer.from(d, 'base64url'));
  return refuse(
    'log-key-mismatch',
    'H8',
    `the log key \`${file}\` is a \`${key.value.public.type}\` key`,
    { file },
    'a log key is the Ed25519 key that the genesis names',
  );
};
