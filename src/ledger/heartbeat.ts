// SPDX-License-Identifier: Apache-2.0
import { verifyCosignatures, type Cosigner, type CosignerVerifier } from '../crypto/cosignature.ts';
import { verifierOf, type NoteSigner, type NoteVerifier } from '../crypto/signed-note.ts';
import { BrokenInvariant, ok, type Result } from '../kernel/refusal.ts';
import { verifyCheckpoint, type Checkpoint } from './checkpoint.ts';

/**
 * A log cosigns its own checkpoint (SPEC L21, ADR 0011): at this time of its own clock this was its newest head, and it
 * could still write. Name and key are the log's; the type, and so the id, are those of cosignatures:
 *
 *     countersign/5d41402abc4b2a76b9719d911017c592
 *     7
 *     CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
 *
 *     — countersign/5d41402abc4b2a76b9719d911017c592 Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4UR…
 *     — countersign/5d41402abc4b2a76b9719d911017c592 k2lwMQAAAABpX5Q0mQ2u0mvP8wq3J5o8QH6c0cW9wJm1a5d0Yb7…
 *
 * It is the operator's word about time, and never counts as a witness: whoever counts witnesses leaves it out.
 */
const cosignatureType = 0x04;

/** Who signs heartbeats of a log: the log's own key, as a cosigner. */
export const heartbeatSigner = (log: NoteSigner): Cosigner => {
  const verifier = verifierOf(log.name, log.publicKey, cosignatureType);
  if (!verifier.ok) throw new BrokenInvariant(verifier.refusal.message);
  return { ...verifier.value, key: log.key };
};

/** The same to verify with, from the key in the genesis. */
export const heartbeatVerifier = (log: NoteVerifier): Result<CosignerVerifier> =>
  verifierOf(log.name, log.publicKey, cosignatureType);

/** `time` is that of the log's own clock, in seconds since 1970; null when the note holds no heartbeat. */
export type Heartbeat = { readonly checkpoint: Checkpoint; readonly time: number | null };

/** A checkpoint of this log, and when the log says that it was its newest. A heartbeat that does not hold refuses the note. */
export const verifyHeartbeat = (note: string, log: NoteVerifier): Result<Heartbeat> => {
  const checkpoint = verifyCheckpoint(note, log);
  if (!checkpoint.ok) return checkpoint;
  const key = heartbeatVerifier(log);
  if (!key.ok) return key;
  const cosigned = verifyCosignatures(note, [key.value]);
  if (!cosigned.ok) return cosigned;
  return ok({ checkpoint: checkpoint.value, time: cosigned.value.cosignatures[0]?.time ?? null });
};
