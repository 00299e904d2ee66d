// SPDX-License-Identifier: Apache-2.0
import {
  accessSync,
  chmodSync,
  closeSync,
  copyFileSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
} from 'node:fs';
import { basename, delimiter, isAbsolute, join, resolve } from 'node:path';
import { digestOf } from '../crypto/digest.ts';
import { canonicalize } from '../kernel/canonical-json.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';

/**
 * What `countersign exec` will run, as people approve it (FORMATS §11). Artefacts are copied into a private folder and
 * the copies are hashed; what runs later are these copies, so that nobody can put another file in their place.
 */
export type ExecPlan = {
  readonly type: 'countersign.dev/exec-plan/v0';
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: { readonly [name: string]: string };
  readonly stdin: string | null;
  /** Where the command will find a secret: a variable or a file descriptor; null without one. Never the secret. */
  readonly credential: SecretPlace | null;
  readonly artefacts: readonly { readonly path: string; readonly digest: string }[];
};

export type SecretPlace = { readonly env: string } | { readonly fd: 3 };

export type PlanParts = {
  readonly credential: SecretPlace | null;
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly artefacts: readonly string[];
  readonly envNames: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: string | undefined;
  /** Private folder of this run. */
  readonly folder: string;
};

/** A copy that will be used, and the digest that was approved for it. */
type Copy = { readonly path: string; readonly copy: string; readonly digest: string };
export type PreparedRun = {
  readonly plan: ExecPlan;
  readonly content: Uint8Array;
  readonly contentDigest: string;
  /** `argv` with every artefact's path replaced by that of its copy. */
  readonly runArgv: readonly string[];
  readonly copies: readonly Copy[];
  readonly stdin: Copy | null;
};

const wrong = (message: string, help: string): Refused => refuse('exec-plan-malformed', 'W5', message, {}, help);

const copyIn = (path: string, cwd: string, folder: string, at: string): Result<Copy> => {
  const from = resolve(cwd, path);
  try {
    const stats = statSync(from);
    if (!stats.isFile())
      return wrong(`\`${path}\` is no plain file`, 'name files; pack a folder into an archive first');
    const into = join(folder, at);
    mkdirSync(into, { recursive: true, mode: 0o700 });
    const copy = join(into, basename(from));
    copyFileSync(from, copy, constants.COPYFILE_EXCL);
    chmodSync(copy, (stats.mode & 0o100) === 0 ? 0o400 : 0o500);
    const handle = openSync(copy, 'r');
    fsyncSync(handle);
    closeSync(handle);
    return ok({ path, copy, digest: digestOf(readFileSync(copy)) });
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code;
    if (why === undefined) throw error;
    return wrong(`\`${path}\` cannot be copied (${why})`, 'name a file that is there and readable');
  }
};

// An argument names an artefact when it is the path as given, or ends in `=` and that path.
const rewrite = (argument: string, copies: readonly Copy[]): string => {
  const own = copies.find(({ path }) => argument === path);
  if (own !== undefined) return own.copy;
  const option = copies.find(
    ({ path }) => argument.endsWith(`=${path}`) && argument.indexOf('=') === argument.length - path.length - 1,
  );
  return option === undefined ? argument : argument.slice(0, argument.length - option.path.length) + option.copy;
};

// The program as it is found now, by its full path: what a changed PATH would find later is not what was approved.
const findProgram = (name: string, cwd: string, path: string | undefined): Result<string> => {
  const candidates = name.includes('/')
    ? [isAbsolute(name) ? name : resolve(cwd, name)]
    : (path ?? '')
        .split(delimiter)
        .filter((folder) => isAbsolute(folder))
        .map((folder) => join(folder, name));
  const found = candidates.find((candidate) => {
    try {
      accessSync(candidate, constants.X_OK);
      return statSync(candidate).isFile();
    } catch {
      return false;
    }
  });
  return found === undefined ? wrong(`there is no program \`${name}\``, 'give its path, or look at PATH') : ok(found);
};

const readEnv = ({ envNames, env }: PlanParts): Result<{ readonly [name: string]: string }> => {
  const passed: { [name: string]: string } = {};
  for (const name of envNames) {
    const value = env[name];
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || value === undefined)
      return wrong(`environment variable \`${name}\` is not set`, 'set it, or leave out `--env`');
    passed[name] = value;
  }
  return ok(passed);
};

// A secret comes from whoever runs the command, and nobody approves its value: it must not change which program runs, what
// that loads, or a variable that people did approve.
const steering =
  /^(PATH|LD_.*|DYLD_.*|NODE_(?!AUTH_TOKEN$).*|PYTHON.*|PERL.*|RUBY.*|JAVA_.*|JDK_.*|GIT_(?!TOKEN$|PASSWORD$).*|BASH_.*|ENV|IFS|SHELLOPTS|HOME|SHELL|PWD)$/i;

const checkSecretPlace = ({ credential, envNames }: PlanParts): Refused | undefined => {
  if (credential === null || !('env' in credential)) return undefined;
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(credential.env))
    return wrong(`\`${credential.env}\` is no name of a variable`, 'write letters, digits and underscores');
  if (envNames.includes(credential.env))
    return wrong(
      `\`${credential.env}\` is to be passed on and to hold the secret`,
      'give the secret another variable with --credential-env',
    );
  return steering.test(credential.env)
    ? wrong(
        `\`${credential.env}\` steers what a program runs or loads, and cannot hold a secret`,
        'give the secret another variable with --credential-env, or use --credential-fd',
      )
    : undefined;
};

/** Copies and hashes everything, and writes down exactly what will run. */
export const prepareRun = (parts: PlanParts): Result<PreparedRun> => {
  const { cwd, folder, argv } = parts;
  const misplaced = checkSecretPlace(parts);
  if (misplaced !== undefined) return misplaced;
  const copies: Copy[] = [];
  for (const [at, path] of [...new Set(parts.artefacts)].entries()) {
    const copy = copyIn(path, cwd, folder, String(at));
    if (!copy.ok) return copy;
    copies.push(copy.value);
  }
  const [program = '', ...rest] = argv;
  const isArtefact = copies.some(({ path }) => path === program);
  const found = isArtefact ? ok(program) : findProgram(program, cwd, parts.env['PATH']);
  if (!found.ok) return found;
  const written = [found.value, ...rest];
  const unused = copies.find((copy) => !written.some((argument) => rewrite(argument, [copy]) !== argument));
  if (unused !== undefined)
    return wrong(
      `no argument names the artefact \`${unused.path}\``,
      'what runs is a private copy, so that the command must be given its path as an argument, or as `OPTION=PATH`',
    );
  const env = readEnv(parts);
  if (!env.ok) return env;
  const stdin = parts.stdin === undefined ? ok(null) : copyIn(parts.stdin, cwd, folder, 'stdin');
  if (!stdin.ok) return stdin;
  const plan: ExecPlan = {
    type: 'countersign.dev/exec-plan/v0',
    credential: parts.credential,
    argv: written,
    cwd,
    env: env.value,
    stdin: stdin.value?.digest ?? null,
    artefacts: copies.map(({ path, digest }) => ({ path, digest })),
  };
  const unwritable = written
    .concat(Object.values(env.value))
    .find((text) => !text.isWellFormed() || text.includes('\0'));
  if (unwritable !== undefined) return wrong('an argument or value is not valid text', 'use UTF-8 without null bytes');
  const content = Buffer.from(canonicalize(plan));
  return ok({
    plan,
    content,
    contentDigest: digestOf(content),
    runArgv: written.map((argument) => rewrite(argument, copies)),
    copies,
    stdin: stdin.value,
  });
};

/** Whether every copy still is what was approved; looked at right before it is used. */
export const checkCopies = ({ copies, stdin }: PreparedRun): Result<null> => {
  for (const { path, copy, digest } of stdin === null ? copies : [...copies, stdin]) {
    const own = existsSync(copy) ? digestOf(readFileSync(copy)) : 'nothing';
    if (own !== digest)
      return refuse(
        'artefact-differs',
        'W5',
        `the private copy of \`${path}\` has digest \`${own}\`, approved is \`${digest}\``,
        { approved: digest, found: own },
        'somebody changed it after it was approved; nothing was run: ask again',
      );
  }
  return ok(null);
};
