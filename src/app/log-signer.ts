// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from 'node:timers/promises';
import { noteSignedElsewhere, type NoteSigner, type NoteVerifier } from '../crypto/signed-note.ts';
import { refuse, type Refusal, type Result } from '../kernel/refusal.ts';
import { formatCheckpoint, signCheckpoint, type Checkpoint } from '../ledger/checkpoint.ts';
import { StoreFailure } from '../ledger/store.ts';

/** A log key that lies elsewhere, such as in an agent. What it gives is checked here before anybody sees it. */
export type DistantSigner = NoteVerifier & {
  /** The raw Ed25519 signature over the text, or why there is none. Ends by itself, well within `waitMs`. */
  readonly ask: (text: string) => Promise<Result<Uint8Array>>;
  /** How long it is asked again after it failed. */
  readonly waitMs: number;
  /** Told once, when it fails and is going to be asked again. */
  readonly onTrouble: (refusal: Refusal) => void;
};

/** Whoever signs a log's checkpoints: a key at hand, or one that is asked for each signature. */
export type LogSigner = NoteSigner | DistantSigner;

const askAgainMs = 250;

/** Asks once, and takes nothing that does not hold. */
export const askOnce = async (text: string, signer: DistantSigner): Promise<Result<string>> => {
  const signature = await signer.ask(text);
  return signature.ok ? noteSignedElsewhere(text, signer, signature.value) : signature;
};

/**
 * The signed note of a checkpoint. Rejects with a `StoreFailure` when a distant key gives none in time: what it would have
 * covered is durable, so there is no way on but to end and to start again. It waits a while first, since an agent
 * that is restarted or unlocked is back within seconds and costs nobody an answer; it does not wait for ever, since
 * whoever asked is owed an answer, and a server that takes commands it can't publish is worse than none (SPEC L29).
 */
export const signAsLog = async (checkpoint: Checkpoint, signer: LogSigner): Promise<string> => {
  if (!('ask' in signer)) return signCheckpoint(checkpoint, signer);
  const text = formatCheckpoint(checkpoint);
  const until = performance.now() + signer.waitMs;
  for (let first = true; ; first = false) {
    const note = await askOnce(text, signer);
    if (note.ok) return note.value;
    if (performance.now() >= until) throw new StoreFailure(unsigned(note.refusal), 'unknown');
    if (first) signer.onTrouble(note.refusal);
    await pause(askAgainMs);
  }
};

const unsigned = ({ message, help }: Refusal): Refusal =>
  refuse(
    'log-key-unavailable',
    'L29',
    `no checkpoint can be signed: ${message}`,
    {},
    help ?? 'look at the agent that holds the log key',
  ).refusal;
