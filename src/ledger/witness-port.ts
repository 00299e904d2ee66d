// SPDX-License-Identifier: Apache-2.0
import type { CosignerVerifier } from '../crypto/cosignature.ts';
import type { Result } from '../kernel/refusal.ts';

/** What a log shows to a witness: its signed checkpoint, and how to prove that it goes on from an earlier size. */
export type CosignRequest = {
  /** The signed note, as the log signed it. */
  readonly note: string;
  readonly size: number;
  /** RFC 6962 consistency from a smaller size to `size`, hex. */
  readonly consistencyFrom: (size: number) => Result<readonly string[]>;
  /** Aborted when nobody waits any more. */
  readonly signal: AbortSignal;
};

/** Somebody outside whom a log asks to cosign its checkpoints (c2sp.org/tlog-witness). */
export type Witness = {
  readonly key: CosignerVerifier;
  /** Signature lines of this witness that hold for the note, each with its line break. Never rejects. */
  readonly cosign: (request: CosignRequest) => Promise<Result<string>>;
};
