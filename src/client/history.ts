// SPDX-License-Identifier: Apache-2.0
import { formatVerifierKey, type NoteVerifier } from '../crypto/signed-note.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { readCheckpointNote, verifyCheckpoint, type Checkpoint } from '../ledger/checkpoint.ts';
import { verifyConsistency } from '../ledger/proof.ts';
import { consistencyAnswer, readAnswer } from './answers.ts';
import { proveFork } from './prove-fork.ts';
import { callJson } from './server-call.ts';
import type { TrustStore } from './trust-store.ts';

/** Which ledger a server is asked for, and how its checkpoints are known: all from the genesis behind the pin. */
export type LedgerAnchor = {
  readonly pin: string;
  readonly tenant: string;
  readonly trial: boolean;
  readonly logKey: NoteVerifier;
};

type Setting = {
  readonly server: string;
  readonly anchor: LedgerAnchor;
  readonly store: TrustStore;
  /** Where the checkpoint comes from, when it is not the server that shows it. */
  readonly file?: string;
};

/** A checkpoint with the note that its log signed. */
export type SeenCheckpoint = { readonly checkpoint: Checkpoint; readonly note: string };

type TwoNotes = { readonly 'seen.note': string; readonly 'shown.note': string };

// At once, while the server still shows it: a proof that anybody can check is worth more than one person's word.
const twoHistories = async (setting: Setting, notes: TwoNotes, why: string): Promise<Refused> => {
  const { server, anchor, store } = setting;
  const fork = await proveFork(anchor.logKey, notes['seen.note'], notes['shown.note'], server);
  const folder = store.keepEvidence(anchor.pin, fork.ok ? { ...notes, 'fork.json': fork.value } : notes);
  const key = formatVerifierKey(anchor.logKey);
  return refuse(
    'history-forked',
    'W1',
    `${setting.file === undefined ? 'the server shows' : `\`${setting.file}\` is of`} another history of this ledger than the one this machine has seen: ${why}`,
    { evidence: folder, proven: fork.ok },
    fork.ok
      ? `sign nothing; \`${folder}/fork.json\` proves it to anybody: \`countersign verify ${folder}/fork.json --log-key ${key}\`. Show it to the ledger's founders`
      : `sign nothing; both signed checkpoints are kept in \`${folder}\`: show them to the ledger's founders. \`countersign ledger evidence ${folder} --server ${server} --log-key ${key}\` makes a proof of them where the server shows its tiles`,
  );
};

const shortened = (setting: Setting, notes: { readonly [name: string]: string }, why: string): Refused => {
  const folder = setting.store.keepEvidence(setting.anchor.pin, notes);
  return refuse(
    'history-shortened',
    'W1',
    `the server cannot show that its ledger holds what ${setting.file === undefined ? 'this machine has seen' : `this machine has seen and \`${setting.file}\` says`}: ${why}`,
    { evidence: folder },
    `sign nothing; the checkpoints are kept in \`${folder}\`: ask the operator whether an old copy was restored. Were it another history, \`countersign ledger evidence ${folder} --server URL --log-key ${formatVerifierKey(setting.anchor.logKey)}\` proves it with a server that shows the larger one`,
  );
};

/**
 * Holds a checkpoint that the server shows against the newest one this machine has seen of that ledger, and remembers
 * the newer (SPEC W1; T3, T4, T5). Both must be signed by the genesis's log key, and one must contain the other.
 */
export const acceptCheckpoint = async (setting: Setting, note: string): Promise<Result<SeenCheckpoint>> => {
  const { server, anchor, store } = setting;
  const shown = verifyCheckpoint(note, anchor.logKey);
  if (!shown.ok) return shown;
  const before = store.newest(anchor.pin);
  if (!before.ok) return before;
  if (before.value !== null) {
    const seen = readCheckpointNote(before.value);
    if (!seen.ok) return seen;
    const held = await demandConsistency(
      setting,
      { note: before.value, checkpoint: seen.value },
      { note, checkpoint: shown.value },
    );
    if (!held.ok) return held;
  }
  const kept = await store.remember(server, {
    pin: anchor.pin,
    genesis: { tenant: anchor.tenant, log_key: formatVerifierKey(anchor.logKey), trial: anchor.trial },
    checkpoint: note,
  });
  return kept.ok ? ok({ checkpoint: shown.value, note }) : kept;
};

// These say that the server cannot answer now, and nothing about its ledger; it is a "no" all the same.
const passing = new Set<string>([
  'server-unreachable',
  'server-failed',
  'server-refused',
  'overloaded',
  'answer-malformed',
  'ledger-unavailable',
]);

const demandConsistency = async (
  setting: Setting,
  seen: SeenCheckpoint,
  shown: SeenCheckpoint,
): Promise<Result<null>> => {
  const notes = { 'seen.note': seen.note, 'shown.note': shown.note };
  const [from, to] =
    seen.checkpoint.size <= shown.checkpoint.size
      ? [seen.checkpoint, shown.checkpoint]
      : [shown.checkpoint, seen.checkpoint];
  if (from.size === to.size)
    return from.root === to.root ? ok(null) : twoHistories(setting, notes, `two roots of size ${from.size}`);
  if (from.size === 0) return ok(null);
  const answer = readAnswer(
    consistencyAnswer,
    await callJson({
      server: setting.server,
      method: 'GET',
      path: `/v1/ledger/consistency?from=${from.size}&to=${to.size}`,
    }),
  );
  if (!answer.ok) {
    // Another command line of this home may have seen more in between; a server that has it can prove it.
    const { code } = answer.refusal;
    if (passing.has(code)) return answer;
    return shortened(setting, notes, answer.refusal.message);
  }
  const proven = verifyConsistency({
    fromSize: from.size,
    fromRoot: from.root,
    toSize: to.size,
    toRoot: to.root,
    proof: answer.value.hashes,
  });
  return proven.ok ? ok(null) : twoHistories(setting, notes, `size ${from.size} is no beginning of size ${to.size}`);
};
