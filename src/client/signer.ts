// SPDX-License-Identifier: Apache-2.0
import { readFileSync, statSync } from 'node:fs';
import { parseOpenSshPrivateKey } from '../crypto/openssh-private-key.ts';
import { parseSshPublicKey, type SshPublicKey } from '../crypto/ssh-key.ts';
import { wireString, wireUint32 } from '../crypto/ssh-wire.ts';
import { parseSshSignature, signedData, signSsh, verifySshSignature } from '../crypto/sshsig.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { agentKeys, agentSign } from './ssh-agent.ts';
import { keygenSign } from './ssh-keygen.ts';

/** Whoever holds a key and signs with it; the key itself never leaves where it lies. */
export type Signer = {
  readonly key: SshPublicKey;
  /** The raw SSHSIG blob over the exact text, in one namespace; checked before it is given out. */
  readonly sign: (text: string, namespace: string) => Promise<Result<Uint8Array>>;
};

export type SignerSetting = {
  /** The environment; `SSH_AUTH_SOCK` is where the agent listens. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether a passphrase may be asked for at the terminal. */
  readonly input: boolean;
};

const unavailable = (why: string, help: string): Refused => refuse('signer-unavailable', 'W6', why, {}, help);

/**
 * Opens a signer: a private key file, `agent` (the agent's only key), `agent:SHA256:…` or `SHA256:…` (that key of the
 * agent), or a `.pub` file (the agent's key of that name, or the security key beside it).
 */
export const openSigner = async (spec: string, setting: SignerSetting): Promise<Result<Signer>> => {
  if (spec === 'agent') return fromAgent(undefined, setting);
  const print = /^(?:agent:)?(SHA256:[A-Za-z0-9+/]{43})$/.exec(spec)?.[1];
  if (print !== undefined) return fromAgent(print, setting);
  const text = readKeyFile(spec);
  if (!text.ok) return text;
  if (text.value.startsWith('-----BEGIN')) return fromPrivateFile(spec, text.value, setting);
  const key = parseSshPublicKey(text.value.trim());
  if (!key.ok)
    return unavailable(
      `\`${spec}\` is no key file: ${key.refusal.message}`,
      'name a private key file that `ssh-keygen` wrote, its `.pub` if an agent holds it, or `agent`',
    );
  return setting.env['SSH_AUTH_SOCK'] === undefined
    ? unavailable(
        `\`${spec}\` holds a public key, and no agent runs that could have the private one`,
        'name the private key file, or start an agent and add the key with `ssh-add`',
      )
    : fromAgent(key.value.fingerprint, setting);
};

/** Reads a public key from a `.pub` file, or the public half of a private one. */
export const readPublicKey = (path: string): Result<SshPublicKey> => {
  const text = readKeyFile(path, 'name a public key file such as `~/.ssh/id_ed25519.pub`');
  if (!text.ok) return text;
  if (!text.value.startsWith('-----BEGIN')) return parseSshPublicKey(text.value.trim());
  const key = parseOpenSshPrivateKey(text.value);
  if (key.ok) return ok(key.value.public);
  const beside = readKeyFile(`${path}.pub`);
  return beside.ok ? parseSshPublicKey(beside.value.trim()) : key;
};

const readKeyFile = (path: string, help = 'name a private key file, or `agent`'): Result<string> => {
  try {
    if (statSync(path).size <= 65_536) return ok(readFileSync(path, 'utf8'));
    return unavailable(`\`${path}\` is too large for a key`, 'name the file that `ssh-keygen` wrote');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    return unavailable(`key file \`${path}\` cannot be read (${code})`, help);
  }
};

const fromPrivateFile = (path: string, text: string, setting: SignerSetting): Result<Signer> => {
  const parsed = parseOpenSshPrivateKey(text);
  if (parsed.ok) {
    const key = parsed.value;
    return ok(checked(key.public, async (message, namespace) => ok(signSsh({ key, message, namespace }))));
  }
  // A passphrase, and the touch of a security key, are asked for by OpenSSH's own program.
  const { code } = parsed.refusal;
  if (code !== 'key-encrypted' && code !== 'key-type-unsupported') return parsed;
  const key = readPublicKey(path);
  if (!key.ok) return parsed;
  return ok(checked(key.value, (message, namespace) => keygenSign({ path, message, namespace, ...setting })));
};

const fromAgent = async (print: string | undefined, { env }: SignerSetting): Promise<Result<Signer>> => {
  const socket = env['SSH_AUTH_SOCK'];
  if (socket === undefined || socket === '')
    return unavailable('no ssh agent runs here (`SSH_AUTH_SOCK` is not set)', 'start one with `eval $(ssh-agent)`');
  const keys = await agentKeys(socket);
  if (!keys.ok) return keys;
  const fitting = keys.value.filter(({ key }) => print === undefined || key.fingerprint === print);
  const [only, ...others] = fitting;
  if (only === undefined)
    return unavailable(
      print === undefined ? 'the ssh agent holds no key' : `the ssh agent does not hold key \`${print}\``,
      'add it with `ssh-add FILE`',
    );
  if (others.length > 0)
    return unavailable(
      `the ssh agent holds ${fitting.length} keys: ${fitting.map(({ key }) => key.fingerprint).join(', ')}`,
      'say which one: `--key agent:SHA256:…`, or `--key FILE.pub`',
    );
  return ok(
    checked(only.key, async (message, namespace) => {
      const signature = await agentSign(socket, only.key, signedData(namespace, 'sha512', message));
      return signature.ok ? ok(wrap(only.key, namespace, signature.value)) : signature;
    }),
  );
};

// PROTOCOL.sshsig, around what the agent signed.
const wrap = (key: SshPublicKey, namespace: string, signature: Uint8Array): Uint8Array =>
  Buffer.concat([
    Buffer.from('SSHSIG'),
    wireUint32(1),
    wireString(key.blob),
    wireString(namespace),
    wireString(''),
    wireString('sha512'),
    wireString(signature),
  ]);

// Whatever signs, its signature must hold for these bytes and this key before anybody relies on it.
const checked = (key: SshPublicKey, sign: Signer['sign']): Signer => ({
  key,
  sign: async (text, namespace) => {
    const blob = await sign(text, namespace);
    if (!blob.ok) return blob;
    const signature = parseSshSignature(blob.value);
    if (!signature.ok) return signature;
    const holds = verifySshSignature({ signature: signature.value, message: text, namespace });
    if (!holds.ok) return holds;
    if (holds.value.key.fingerprint !== key.fingerprint)
      return unavailable(
        `another key than \`${key.fingerprint}\` signed`,
        'look at what the agent holds: `ssh-add -l`',
      );
    return blob;
  },
});
