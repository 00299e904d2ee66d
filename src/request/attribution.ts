// SPDX-License-Identifier: Apache-2.0
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { parseArmoredSignature, verifySshSignature } from '../crypto/sshsig.ts';
import type { CommitEvidence } from './commit-evidence.ts';
import type { GitCommit } from './git-commit.ts';

/** How `git commit -S` names what it signs with an SSH key. */
const gitNamespace = 'git';

export type Attribution = {
  readonly authors: readonly string[];
  /** Fingerprints of the keys that the authors were known by, each once. */
  readonly keys: readonly string[];
};

/**
 * Who wrote what lies between base and head (SPEC G2, G3): for every commit, the person whose rostered key signed it.
 * Unsigned, badly signed, or signed by a key nobody here has: `unknown`, which denies later on. What a commit says about
 * its author is never looked at, for anybody can write it (C4).
 */
export const attributeCommits = (
  evidence: CommitEvidence & { readonly personOfKey: (fingerprint: string) => string | undefined },
): Result<Attribution> => {
  const { head, base, commits, personOfKey } = evidence;
  if (head === base || commits.length === 0)
    return incomplete(
      `nothing lies between \`${base ?? 'the beginning'}\` and \`${head}\``,
      'ask for a commit that is not in place already',
    );
  const byId = new Map(commits.map((commit) => [commit.id, commit]));
  const older = reachable(new Map(evidence.ancestry.map((commit) => [commit.id, commit])), base);
  const reached = new Set<string>();
  const pending = [head];
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    if (reached.has(id) || (base !== null && older.has(id))) continue;
    const commit = byId.get(id);
    if (commit === undefined)
      return incomplete(
        `commit \`${id}\` is missing`,
        'fetch the whole history (`git fetch --unshallow`) and ask again',
      );
    reached.add(id);
    pending.push(...commit.parents);
  }
  const stray = commits.find((commit) => !reached.has(commit.id));
  if (stray !== undefined)
    return incomplete(
      `commit \`${stray.id}\` does not belong to \`${head}\``,
      'this is a defect of the adapter; report it',
    );
  const signers = commits.map((commit) => signerOf(commit, personOfKey));
  const authors = new Set(signers.map((signer) => signer?.person ?? 'unknown'));
  const keys = new Set(signers.flatMap((signer) => (signer === undefined ? [] : [signer.key])));
  return ok({ authors: [...authors].sort(), keys: [...keys].sort() });
};

const incomplete = (message: string, help: string): Refused =>
  refuse('git-evidence-incomplete', 'G2', message, {}, help);

// Base and everything that the given commits show to come before it.
const reachable = (commits: ReadonlyMap<string, GitCommit>, base: string | null): ReadonlySet<string> => {
  const found = new Set<string>();
  const pending = base === null ? [] : [base];
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    if (found.has(id)) continue;
    found.add(id);
    pending.push(...(commits.get(id)?.parents ?? []));
  }
  return found;
};

type Signer = { readonly person: string; readonly key: string };

const signerOf = (commit: GitCommit, personOfKey: (fingerprint: string) => string | undefined): Signer | undefined => {
  if (commit.signature === null) return undefined;
  const signature = parseArmoredSignature(commit.signature);
  if (!signature.ok) return undefined;
  const verified = verifySshSignature({ signature: signature.value, message: commit.payload, namespace: gitNamespace });
  if (!verified.ok) return undefined;
  const key = verified.value.key.fingerprint;
  const person = personOfKey(key);
  return person === undefined ? undefined : { person, key };
};
