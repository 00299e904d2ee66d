// SPDX-License-Identifier: Apache-2.0
import { connect, readTokenFile, type Client } from '../client/connect.ts';
import { homeFolder } from '../client/home-file.ts';
import { refuseOldServer } from '../client/server-freshness.ts';
import { openSigner, type Signer } from '../client/signer.ts';
import { sayTime } from '../ledger/freshness.ts';
import type { ClientOptions, VerifyingOptions } from './options.ts';
import { durationMs } from './duration.ts';
import { escaped, fail, orFail, usage, warn } from './output.ts';
import { readPolicyFile } from './witness-policy-file.ts';

/** Opens the signer that `--key` names; for verbs that sign, a missing key is a usage error. */
export const openKey = async (
  spec: string | undefined,
  { input }: Pick<ClientOptions, 'input'>,
  option = '--key',
): Promise<Signer> => {
  if (spec === undefined)
    return usage(`${option} is missing`, `name a private key file, or \`agent\`: ${option} ~/.ssh/id_ed25519`);
  const asking = input && process.stdin.isTTY;
  return orFail(await openSigner(spec, { env: process.env, input: asking }));
};

type Needs = {
  /** The verb signs, so that a key has to be named. */
  readonly signs?: boolean;
  /** The verb derives something again later: what would stand against it is said before anything is sent. */
  readonly verifies?: boolean;
};

/** Meets the server that the shared options name, and fails with what stands against it. */
export const openClient = async (options: VerifyingOptions, given: Needs = {}): Promise<Client> => {
  if (options.server === undefined)
    return usage(
      '--server is missing',
      'name the server: --server https://gate.example.org, or set COUNTERSIGN_SERVER',
    );
  const signer = given.signs === true || options.key !== undefined ? await openKey(options.key, options) : undefined;
  const token = options.tokenFile === undefined ? undefined : orFail(readTokenFile(options.tokenFile));
  if (options.as !== undefined && !/^(person:p_[a-z0-9_]{4,40}|machine:[a-z][a-z0-9-]{0,62})$/.test(options.as))
    return usage(`--as \`${options.as}\` is no principal`, 'write person:<id> or machine:<name>');
  const client = orFail(
    await connect({
      server: options.server,
      pin: options.pin,
      signer,
      as: options.as,
      token,
      home: homeFolder(process.env),
      allowTrial: options.allowTrial,
      acceptV0: options.acceptV0 === true,
      witnesses: readPolicyFile(options.witnesses),
      freshWithinMs: options.fresh === undefined ? undefined : durationMs(options.fresh, '--fresh'),
    }),
  );
  warnOfSilence(client);
  if (given.verifies !== true || client.anchor.trial || client.acceptV0) return client;
  // Loaded only now: it brings the whole pure core with it.
  const { refuseFormats } = await import('../verify/examine.ts');
  const unwanted = refuseFormats(client.anchor.trial, client);
  return unwanted === undefined ? client : fail(unwanted.refusal);
};

// A server that was cut off, restored or stopped in its tracks shows no error: only its silence shows it (SPEC L21).
const warnOfSilence = ({ server, freshness }: Client): void => {
  const now = Date.now();
  if (refuseOldServer(freshness, now) === undefined) return;
  const itself = freshness.withheld === null ? '' : `; it gives the reason \`${escaped(freshness.withheld)}\``;
  warn(
    `the newest checkpoint of ${server} is not fresh: ${sayTime(freshness, now)}${itself}. ` +
      'The server may be hiding something, or a clock is wrong: compare checkpoints with other people (`countersign ledger compare`).',
  );
};
