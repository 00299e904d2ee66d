// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openVerifiedCase } from '../client/verified-case.ts';
import { formatArmoredSignature } from '../crypto/sshsig.ts';
import { decodeBase64 } from '../kernel/base64.ts';
import { parseCanonical } from '../kernel/canonical-json.ts';
import type { JsonObject } from '../kernel/refusal.ts';
import { isObject } from '../kernel/shape.ts';
import { fetchEvidence } from '../client/requests.ts';
import { countersign, runProgram } from './run-program.ts';
import type { Stage } from './stage.ts';
import { must } from './steps.ts';

/** The evidence of one request, and every vote of the ledger as stock OpenSSH reads it. */
export type Evidence = { readonly file: string; readonly votes: readonly Vote[]; readonly signers: string };
type Vote = { readonly by: string; readonly statement: string; readonly signature: string };

/** Takes away what proves it, while the server still runs. */
export const collectEvidence = async (stage: Stage, id: string): Promise<Evidence> => {
  const { organisation, actors } = stage;
  const client = await actors.client('vint');
  const file = join(organisation.folder, 'evidence.json');
  writeFileSync(file, must('evidence', await fetchEvidence(client, id)));
  const { roster } = must('case', await openVerifiedCase(client, id));
  const signers = join(organisation.folder, 'allowed_signers');
  const lines = [...roster.records].flatMap(([key, record]) =>
    key.startsWith('key/') ? [`${String(record['holder'])} ${String(record['line'])}`] : [],
  );
  writeFileSync(signers, `${lines.join('\n')}\n`);
  const page = must('entries', await client.get(`/v1/ledger/entries?from=0&limit=500`));
  const entries = isObject(page) && Array.isArray(page['entries']) ? (page['entries'] as readonly string[]) : [];
  return { file, votes: entries.flatMap(voteIn), signers };
};

const voteIn = (text: string): readonly Vote[] => {
  const entry = must('entry', parseCanonical(text));
  const command = isObject(entry) ? entry['command'] : undefined;
  if (!isObject(command) || command['type'] !== 'CastVote') return [];
  const { statement, signature } = command['envelope'] as { readonly statement: string; readonly signature: string };
  const { by } = must('vote', parseCanonical(statement)) as JsonObject & { readonly by: string };
  return [{ by, statement, signature }];
};

/** With the server gone: the verifier, and `ssh-keygen`, which knows nothing of us. */
export const proofChapter = async ({ steps, organisation, server }: Stage, evidence: Evidence): Promise<void> => {
  await server.stop();
  const verify = (...more: readonly string[]) =>
    countersign(['verify', evidence.file, '--pin', organisation.pin, '--allow-trial', '--min-persons', '2', ...more]);
  const verdict = verify();
  steps.note('verify-offline', verdict.status === 0, `the server is stopped; ${firstLine(verdict.stdout)}`);
  const other = countersign(['verify', evidence.file, '--pin', `sha256:${'0'.repeat(64)}`, '--allow-trial']);
  steps.note('verify-other-pin', other.status === 7, `under another pin: ${firstLine(other.stdout)}`);
  const bad = evidence.votes.filter((vote) => !holdsForOpenSsh(organisation.folder, evidence.signers, vote));
  steps.note(
    'ssh-keygen-verify',
    evidence.votes.length > 0 && bad.length === 0,
    `\`ssh-keygen -Y verify\` passes on ${evidence.votes.length - bad.length} of ${evidence.votes.length} votes`,
  );
};

const firstLine = (text: string): string => text.trim().split('\n')[0] ?? '';

const holdsForOpenSsh = (folder: string, signers: string, { by, statement, signature }: Vote): boolean => {
  const file = join(folder, 'vote.sig');
  writeFileSync(file, formatArmoredSignature(must('signature', decodeBase64(signature))));
  const args = ['-Y', 'verify', '-f', signers, '-I', by, '-n', 'countersign-vote@v1', '-s', file];
  return runProgram('ssh-keygen', args, { input: statement }).status === 0;
};
