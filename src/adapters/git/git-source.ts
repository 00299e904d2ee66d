// SPDX-License-Identifier: Apache-2.0
import type { FactAnswer, FactQuestion, FactSource } from '../../app/fact-source.ts';
import { gitObjectFormat, gitObjectId } from '../../crypto/git-object-id.ts';
import { ok, refuse, type Refused, type Result } from '../../kernel/refusal.ts';
import { encodeCommitEvidence, maxEvidenceBytes } from '../../request/commit-evidence.ts';
import { gitFailed, runGit } from './run-git.ts';

export type GitSourceOptions = {
  /** Path of a repository on this machine, bare or not. */
  readonly repository: string;
  /** Full name of the reference whose commits are in place already, such as `refs/heads/main`; null for none. */
  readonly base: string | null;
};

const maxCommits = 500;
/** How far back from base the fork of a side branch is looked for. */
const maxAncestry = 20_000;

const incomplete = (message: string, help: string): Refused =>
  refuse('git-evidence-incomplete', 'G4', message, {}, help);

/**
 * The fact source `git(commit)`: brings the raw commits between base and head, so that the core can work out by itself
 * who wrote them. It says nothing about them; a base that lies is what it can be trusted not to give (threat model).
 */
export const gitSource = ({ repository, base }: GitSourceOptions): FactSource => ({
  name: 'git',
  gather: (question) => gather(repository, base, question),
});

const gather = async (
  repository: string,
  baseName: string | null,
  { fact, argument, value }: FactQuestion,
): Promise<Result<FactAnswer>> => {
  // C16: a name can move and a short id can be made to collide between question and answer.
  const format = typeof value === 'string' ? gitObjectFormat(value) : undefined;
  if (typeof value !== 'string' || format === undefined)
    return refuse(
      'fact-mistyped',
      'G4',
      `fact \`${argument}\`, from which \`${fact}\` is derived, must be a full commit id, got \`${String(value).slice(0, 80)}\``,
      { fact: argument },
      'give all 40 or 64 hex digits: `git rev-parse HEAD`',
    );
  const sound = await checkRepository(repository);
  if (sound !== undefined) return sound;
  const present = await checkCommit(repository, value);
  if (present !== undefined) return present;
  const base = baseName === null ? ok(null) : await resolveBase(repository, baseName);
  if (!base.ok) return base;
  const range = await listRange(repository, value, base.value);
  if (!range.ok) return range;
  const older = base.value === null ? ok([]) : await pathsBack(repository, base.value, range.value.boundary);
  if (!older.ok) return older;
  const commits = await readCommits(repository, range.value.commits);
  if (!commits.ok) return commits;
  const ancestry = await readCommits(repository, older.value);
  if (!ancestry.ok) return ancestry;
  const evidence = encodeCommitEvidence({
    head: value,
    base: base.value,
    commits: commits.value,
    ancestry: ancestry.value,
  });
  if (evidence.length > maxEvidenceBytes)
    return incomplete(
      `the commits behind \`${value}\` have ${evidence.length} bytes, more than ${maxEvidenceBytes}`,
      'ask for a change with fewer commits',
    );
  return ok({ value: null, evidence, detail: { base: base.value } });
};

const checkRepository = async (repository: string): Promise<Refused | undefined> => {
  const shallow = await runGit(repository, ['rev-parse', '--is-shallow-repository']);
  if (!shallow.ok) return shallow;
  const said = shallow.value.stdout.toString('latin1').trim();
  if (shallow.value.code !== 0) return gitFailed(repository, shallow.value.stderr.slice(0, 200));
  if (said === 'false') return undefined;
  return incomplete(
    `\`${repository}\` is a shallow clone, in which commits are missing`,
    'fetch the whole history: `git fetch --unshallow`',
  );
};

const checkCommit = async (repository: string, id: string): Promise<Refused | undefined> => {
  const type = await runGit(repository, ['cat-file', '-t', id]);
  if (!type.ok) return type;
  if (type.value.code === 0 && type.value.stdout.toString('latin1').trim() === 'commit') return undefined;
  return incomplete(
    `the repository of this server has no commit \`${id}\``,
    'push it there first, and give the id of the commit, not of a tag',
  );
};

const resolveBase = async (repository: string, name: string): Promise<Result<string>> => {
  const found = await runGit(repository, ['rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`]);
  if (!found.ok) return found;
  const id = found.value.stdout.toString('latin1').trim();
  if (found.value.code === 0 && gitObjectFormat(id) !== undefined) return ok(id);
  return gitFailed(repository, `it has no \`${name}\``);
};

type Range = { readonly commits: readonly string[]; readonly boundary: readonly string[] };

// From head back to what base holds; `boundary` are the commits of base's history where that begins.
const listRange = async (repository: string, head: string, base: string | null): Promise<Result<Range>> => {
  const listed = await runGit(repository, [
    'rev-list',
    '--topo-order',
    '--boundary',
    `--max-count=${maxCommits + 1}`,
    head,
    ...(base === null ? [] : [`^${base}`]),
    '--',
  ]);
  if (!listed.ok) return listed;
  if (listed.value.code !== 0) return gitFailed(repository, listed.value.stderr.slice(0, 200));
  const lines = listed.value.stdout.toString('latin1').split('\n').filter(Boolean);
  const commits = lines.filter((line) => !line.startsWith('-'));
  const boundary = lines.filter((line) => line.startsWith('-')).map((line) => line.slice(1));
  if (commits.length > maxCommits)
    return incomplete(
      `more than ${maxCommits} commits lie between base and \`${head}\``,
      'ask for a change with fewer commits, or move base forward',
    );
  if (commits.length === 0)
    return incomplete(
      `commit \`${head}\` is part of base already`,
      'ask for a commit that is not in place yet, or look at `git.base` in `countersign.yaml`',
    );
  return ok({ commits, boundary });
};

// A side branch may have left the main line long before base. For the core to see that its parents are old, it needs
// the commits that lead from base back to where it left.
const pathsBack = async (
  repository: string,
  base: string,
  boundary: readonly string[],
): Promise<Result<readonly string[]>> => {
  const wanted = new Set(boundary.filter((id) => id !== base));
  if (wanted.size === 0) return ok([]);
  const listed = await runGit(repository, ['rev-list', '--parents', `--max-count=${maxAncestry}`, base, '--']);
  if (!listed.ok) return listed;
  if (listed.value.code !== 0) return gitFailed(repository, listed.value.stderr.slice(0, 200));
  const parents = new Map<string, readonly string[]>();
  for (const line of listed.value.stdout.toString('latin1').split('\n')) {
    const [id = '', ...rest] = line.split(' ');
    if (id !== '') parents.set(id, rest);
  }
  return walkBack(base, wanted, parents);
};

const walkBack = (
  base: string,
  wanted: ReadonlySet<string>,
  parents: ReadonlyMap<string, readonly string[]>,
): Result<readonly string[]> => {
  // Breadth first, so that each path is a shortest one.
  const cameFrom = new Map<string, string | null>([[base, null]]);
  const pending = [base];
  for (let at = 0; at < pending.length; at += 1)
    for (const parent of parents.get(pending[at] ?? '') ?? [])
      if (!cameFrom.has(parent)) {
        cameFrom.set(parent, pending[at] ?? null);
        pending.push(parent);
      }
  const path = new Set<string>();
  for (const fork of wanted) {
    if (!cameFrom.has(fork))
      return incomplete(
        `a branch left the main line more than ${maxAncestry} commits ago, at \`${fork}\``,
        'rebase it onto base and ask again',
      );
    for (let id = cameFrom.get(fork) ?? null; id !== null; id = cameFrom.get(id) ?? null) path.add(id);
  }
  if (path.size <= maxCommits) return ok([...path]);
  return incomplete(
    `a branch left the main line more than ${maxCommits} commits ago`,
    'rebase it onto base and ask again',
  );
};

/** Raw commit objects, each checked to be what its id says. */
const readCommits = async (repository: string, ids: readonly string[]): Promise<Result<readonly Uint8Array[]>> => {
  if (ids.length === 0) return ok([]);
  const batch = await runGit(repository, ['cat-file', '--batch'], `${ids.join('\n')}\n`);
  if (!batch.ok) return batch;
  const { stdout } = batch.value;
  const commits: Uint8Array[] = [];
  let at = 0;
  for (const id of ids) {
    const end = stdout.indexOf('\n', at);
    const match = /^([0-9a-f]{40,64}) commit (\d{1,9})$/.exec(
      stdout.subarray(at, Math.max(at, end)).toString('latin1'),
    );
    if (match === null || match[1] !== id)
      return incomplete(`commit \`${id}\` cannot be read`, 'look at the repository with `git fsck --strict`');
    const size = Number(match[2]);
    const bytes = stdout.subarray(end + 1, end + 1 + size);
    const format = gitObjectFormat(id);
    if (bytes.length !== size || format === undefined || gitObjectId(format, 'commit', bytes) !== id)
      return incomplete(`commit \`${id}\` is not what its id says`, 'look at the repository with `git fsck --strict`');
    commits.push(bytes);
    at = end + 1 + size + 1;
  }
  return ok(commits);
};
