// SPDX-License-Identifier: Apache-2.0
// A witness in this process: the library's own judgment, with a memory. What HTTP does, test/adapters shows.
import assert from 'node:assert/strict';
import { cosign, cosigner, cosignerVerifier, type CosignerVerifier } from '../../src/crypto/cosignature.ts';
import type { NoteVerifier } from '../../src/crypto/signed-note.ts';
import { ok, type Result } from '../../src/kernel/refusal.ts';
import type { CosignRequest, Witness } from '../../src/ledger/witness-port.ts';
import { judgeCheckpoint, type Cosigned } from '../../src/ledger/witness.ts';

export type JudgingWitness = Witness & {
  /** Sizes it cosigned, in order. */
  readonly cosigned: number[];
  /** Set to make it answer otherwise; undefined lets it judge. */
  instead: ((request: CosignRequest) => Promise<Result<string>>) | undefined;
  /** Its clock, in seconds. */
  now: () => number;
};

export const verifierNamed = (name: string, seed: Uint8Array): CosignerVerifier => {
  const verifier = cosignerVerifier(name, cosigner(name, seed).publicKey);
  assert.ok(verifier.ok);
  return verifier.value;
};

export const judgingWitness = (name: string, seed: Uint8Array, log: NoteVerifier): JudgingWitness => {
  let last: Cosigned | undefined;
  const witness: JudgingWitness = {
    key: verifierNamed(name, seed),
    cosigned: [],
    instead: undefined,
    now: () => Math.floor(Date.now() / 1000),
    cosign: async (request) => {
      if (witness.instead !== undefined) return witness.instead(request);
      const old = last?.size ?? 0;
      const proof = request.consistencyFrom(old);
      if (!proof.ok) return proof;
      const judged = judgeCheckpoint(
        { old, proof: proof.value, note: request.note },
        [{ origin: log.name, keys: [log] }],
        () => last,
      );
      if (judged.status !== 200) return { ok: false, refusal: judged.refusal };
      last = { size: judged.checkpoint.size, root: judged.checkpoint.root };
      witness.cosigned.push(last.size);
      return ok(cosign(judged.text, cosigner(name, seed), witness.now()));
    },
  };
  return witness;
};
