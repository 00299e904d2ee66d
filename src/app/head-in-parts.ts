// SPDX-License-Identifier: Apache-2.0
import type { NoteVerifier } from '../crypto/signed-note.ts';
import { parseNote } from '../crypto/signed-note.ts';
import { verifyCosignatures, type Cosignature } from '../crypto/cosignature.ts';
import { encodeBase64 } from '../kernel/base64.ts';
import { ok, type Result } from '../kernel/refusal.ts';
import { heartbeatVerifier, verifyHeartbeat } from '../ledger/heartbeat.ts';
import { policyCosigners, quorumTimes, type WitnessPolicy } from '../ledger/witness-policy.ts';
import type { SignedHead } from './sequencer-start.ts';
import type { CosignedLine } from './witness-lane.ts';

/** A head as it is offered: signed, with the log's own time and what witnesses said beside it (FORMATS §9.1). */
export type CosignedHead = SignedHead & {
  /** The log's own clock, in seconds since 1970. */
  readonly time: number;
  /** When the policy's quorum says it was the newest; null without a policy, or with too few cosignatures. */
  readonly quorum: { readonly by: number; readonly notBefore: number } | null;
};

/** The same in its parts, so that lines can be added and renewed. */
export type HeadInParts = {
  readonly head: SignedHead;
  /** What is cosigned: the note up to its signatures. */
  readonly text: string;
  readonly own: { readonly line: string; readonly time: number };
  /** By key name and id. */
  readonly lines: ReadonlyMap<string, CosignedLine>;
};

const keyOf = ({ name, id }: Pick<Cosignature, 'name' | 'id'>): string => `${name}+${id}`;

/** Adds a line; of two by one key the one with the newer time stays. */
export const withLine = (parts: HeadInParts, line: CosignedLine): HeadInParts => {
  const key = keyOf(line.cosignature);
  const known = parts.lines.get(key);
  if (known !== undefined && known.cosignature.time >= line.cosignature.time) return parts;
  return { ...parts, lines: new Map(parts.lines).set(key, line) };
};

export const joined = ({ head, own, lines }: HeadInParts, policy: WitnessPolicy | undefined): CosignedHead => {
  const cosigned = [...lines.values()];
  const cosignatures = cosigned.map(({ cosignature }) => cosignature);
  return {
    ...head,
    note: `${head.note}${own.line}${cosigned.map(({ line }) => line).join('')}`,
    time: own.time,
    quorum: policy === undefined ? null : (quorumTimes(policy, cosignatures) ?? null),
  };
};

/**
 * Takes a kept note apart again: the log's own signature and heartbeat, and the lines of the policy's witnesses, which
 * all have to hold. Other lines are dropped.
 */
export const takeApart = (
  note: string,
  log: NoteVerifier,
  policy: WitnessPolicy | undefined,
): Result<HeadInParts | undefined> => {
  const beat = verifyHeartbeat(note, log);
  if (!beat.ok) return beat;
  const parsed = parseNote(note);
  if (!parsed.ok) return parsed;
  const witnesses = policy === undefined ? [] : policyCosigners(policy);
  const cosigned = verifyCosignatures(note, witnesses);
  if (!cosigned.ok) return cosigned;
  const { text, signatures } = parsed.value;
  const lineOf = (at: number): string => {
    const { name = '', id = '', signature = new Uint8Array() } = signatures[at] ?? {};
    return `— ${name} ${encodeBase64(Buffer.concat([Buffer.from(id, 'hex'), signature]))}\n`;
  };
  const plain = signatures.findIndex(({ name, id }) => name === log.name && id === log.id);
  const key = heartbeatVerifier(log);
  const own = signatures.findIndex(({ name, id }) => key.ok && name === log.name && id === key.value.id);
  const { time, checkpoint } = beat.value;
  if (time === null || own < 0) return ok(undefined);
  const lines = new Map<string, CosignedLine>();
  for (const cosignature of cosigned.value.cosignatures) {
    const at = signatures.findLastIndex(({ name, id }) => name === cosignature.name && id === cosignature.id);
    lines.set(keyOf(cosignature), { line: lineOf(at), cosignature });
  }
  return ok({
    head: { size: checkpoint.size, root: checkpoint.root, note: `${text}\n${lineOf(plain)}` },
    text,
    own: { line: lineOf(own), time },
    lines,
  });
};
