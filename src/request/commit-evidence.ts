// SPDX-License-Identifier: Apache-2.0
import { decodeBase64, encodeBase64 } from '../kernel/base64.ts';
import { canonicalize, parseCanonical } from '../kernel/canonical-json.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { listOf, literal, matching, nullable, shape } from '../kernel/shape.ts';
import { gitObjectFormat } from '../crypto/git-object-id.ts';
import { parseGitCommit, type GitCommit } from './git-commit.ts';

const objectId = matching(/^([0-9a-f]{40}|[0-9a-f]{64})$/, 'a full commit id');
const rawCommits = listOf(matching(/^[A-Za-z0-9+/=]*$/, 'a raw commit in base64'), 500);

/** What a git adapter brings: raw commits, from which the core works out by itself who wrote them (FORMATS §10). */
const evidenceShape = shape({
  type: literal('countersign.dev/commit-evidence/v0'),
  head: objectId,
  /** The commit that is in place already; null when everything from the roots on is new. */
  base: nullable(objectId),
  /** The commits from head back to base, base excluded. */
  commits: rawCommits,
  /** Commits from base backwards that show where older side branches left the main line. */
  ancestry: rawCommits,
});

export type CommitEvidence = {
  readonly head: string;
  readonly base: string | null;
  readonly commits: readonly GitCommit[];
  readonly ancestry: readonly GitCommit[];
};

export const maxEvidenceBytes = 4 * 1024 * 1024;

export const encodeCommitEvidence = (evidence: {
  readonly head: string;
  readonly base: string | null;
  readonly commits: readonly Uint8Array[];
  readonly ancestry: readonly Uint8Array[];
}): Uint8Array =>
  Buffer.from(
    canonicalize({
      type: 'countersign.dev/commit-evidence/v0',
      head: evidence.head,
      base: evidence.base,
      commits: evidence.commits.map(encodeBase64),
      ancestry: evidence.ancestry.map(encodeBase64),
    }),
  );

export const decodeCommitEvidence = (bytes: Uint8Array): Result<CommitEvidence> => {
  const parsed = parseCanonical(bytes, { maxBytes: maxEvidenceBytes });
  if (!parsed.ok) return parsed;
  const checked = evidenceShape(parsed.value, '');
  if (!checked.ok) return checked;
  const { head, base } = checked.value;
  const format = gitObjectFormat(head);
  if (format === undefined || (base !== null && gitObjectFormat(base) !== format)) return mixed();
  const commits = parseAll(checked.value.commits, format);
  if (!commits.ok) return commits;
  const ancestry = parseAll(checked.value.ancestry, format);
  return ancestry.ok ? ok({ head, base, commits: commits.value, ancestry: ancestry.value }) : ancestry;
};

const mixed = (): Refused =>
  refuse(
    'git-evidence-incomplete',
    'G2',
    'head and base are ids of two kinds',
    {},
    'give full commit ids of one repository',
  );

const parseAll = (texts: readonly string[], format: GitCommit['format']): Result<readonly GitCommit[]> => {
  const commits: GitCommit[] = [];
  for (const text of texts) {
    const bytes = decodeBase64(text);
    if (!bytes.ok) return bytes;
    const commit = parseGitCommit(bytes.value, format);
    if (!commit.ok) return commit;
    commits.push(commit.value);
  }
  return ok(commits);
};
