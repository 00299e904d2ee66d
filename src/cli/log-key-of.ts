// SPDX-License-Identifier: Apache-2.0
import { homeFolder } from '../client/home-file.ts';
import { openTrustStore } from '../client/trust-store.ts';
import { parseVerifierKey, type NoteVerifier } from '../crypto/signed-note.ts';
import { refuse } from '../kernel/refusal.ts';
import { fail, orFail } from './output.ts';

export type KnownLog = {
  readonly log: NoteVerifier;
  readonly pin: string;
  readonly server: string;
  readonly tenant: string;
  readonly trial: boolean;
  /** Newest checkpoint that this machine has seen. */
  readonly note: string | null;
};

/** The ledgers whose genesis this machine has read, with the key behind each pin. */
export const knownLogs = (): readonly KnownLog[] =>
  orFail(openTrustStore(homeFolder(process.env)).all()).flatMap(({ server, pin, genesis, checkpoint }) =>
    genesis === null
      ? []
      : [
          {
            log: orFail(parseVerifierKey(genesis.log_key)),
            pin,
            server,
            tenant: genesis.tenant,
            trial: genesis.trial,
            note: checkpoint,
          },
        ],
  );

/**
 * The key to judge a note of this origin by: the one that was given, else the one this machine has from the genesis
 * behind a pin. Never one that the note or file brings along.
 */
export const logKeyFor = (
  origin: string,
  { logKey, pin }: { readonly logKey?: string; readonly pin?: string },
): NoteVerifier => {
  if (logKey !== undefined) return orFail(parseVerifierKey(logKey));
  const known = knownLogs().find((one) => one.log.name === origin && (pin === undefined || one.pin === pin));
  if (known !== undefined) return known.log;
  return fail(
    refuse(
      'pin-missing',
      'L23',
      `nothing here says which key signs \`${origin.slice(0, 120)}\``,
      { origin: origin.slice(0, 120) },
      "give `--log-key` with the verifier key as the ledger's founders know it, or meet its server once with its pin; never take the key from whoever gave you the file",
    ).refusal,
  );
};
