// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { Client } from '../client/connect.ts';
import type { Ask } from '../client/requests.ts';
import { readPublicKey } from '../client/signer.ts';
import { freshNonce, inMs } from '../client/statements.ts';
import { digestOf } from '../crypto/digest.ts';
import { isGovernance, maxValidityMs } from '../assess/build-change.ts';
import { parseJson } from '../kernel/canonical-json.ts';
import type { Instant } from '../kernel/instant.ts';
import { ok, refuse, type Result } from '../kernel/refusal.ts';
import { envelope, type Envelope, type RequestDraft } from '../kernel/statements.ts';
import type { CompiledAction } from '../policy/compiled.ts';
import { isAmong, type Roster } from '../roster/roster.ts';
import { readDraftFile } from './draft-file.ts';
import { durationMs } from './duration.ts';
import { factLines, readFacts } from './fact-argument.ts';
import { manyOption, type Many } from './many-option.ts';
import { orFail, usage } from './output.ts';
import { rulesInForce } from './rules-in-force.ts';

/** Options of every verb that asks for an action. */
export type AskOptions = {
  readonly fact?: Many;
  readonly reason?: string;
  readonly audience?: string;
  readonly executor?: string;
  readonly driver?: Many;
  readonly for?: Many;
  readonly emergency?: boolean;
  readonly attest?: Many;
  readonly draft?: string;
  readonly expires?: string;
};

export const askOptions = (command: Command): Command =>
  command
    .addOption(manyOption('--fact <name=value>', 'a fact that you give'))
    .option('--reason <text>', 'why, for the people who decide; kept beside the ledger, which holds a digest of it')
    .option('--audience <name>', 'the enforcement point that will check the permit')
    .option('--executor <key>', 'fingerprint or .pub file of the key that will use the permit')
    .addOption(manyOption('--driver <person>', 'a person who drove this machine; counts as producer'))
    .addOption(manyOption('--for <person>', 'a person you ask for; counts as producer'))
    .option('--emergency', 'take the emergency path: one other person, no wait, an alarm and a review afterwards')
    .option('--expires <duration>', 'how long the request may live, such as 4h; by default as policy needs');

/** Options for facts that others vouch for, where there is a draft to show them. */
export const attestOptions = (command: Command): Command =>
  command
    .addOption(manyOption('--attest <file>', 'a fact that somebody attested (`countersign attest`)'))
    .option('--draft <file>', 'the draft that facts were attested for, from `request --prepare`; its facts are yours');

export type PreparedAsk = { readonly ask: Ask; readonly action: CompiledAction; readonly roster: Roster };

export type Given = {
  readonly content?: Uint8Array;
  /** The key that will use the permit, unless `--executor` says otherwise. */
  readonly executorKey?: string;
  readonly nonce?: string;
  /** A request made before is taken up again: its attested facts are in it already. */
  readonly resumes?: boolean;
};

/** Fills in what policy and roster leave no choice about, and reads the rest by its type. */
export const prepareAsk = async (
  client: Client,
  name: string,
  options: AskOptions,
  given: Given = {},
): Promise<PreparedAsk> => {
  const rules = orFail(await rulesInForce(client));
  const action = orFail(rules.action(name));
  const draft = options.draft === undefined ? undefined : orFail(readDraftFile(options.draft));
  if (draft !== undefined) checkDraft(draft, name, options, given);
  const facts = draft?.facts ?? orFail(readFacts(action, options.fact ?? []));
  const reason = options.reason?.trim() ?? '';
  if (reason === '') usage('--reason is missing', 'say why, for the people who decide: --reason "Fixes the checkout"');
  const nonce = given.nonce ?? draft?.nonce ?? freshNonce();
  const attested = given.resumes === true ? [] : orFail(readAttested(action, options.attest ?? []));
  const governance = isGovernance(name);
  if (governance && given.content === undefined)
    usage(
      `\`${name}\` needs --content`,
      'attach the change, or use `countersign roster propose` or `countersign policy propose`',
    );
  return {
    action,
    roster: rules.roster,
    ask: {
      action: name,
      facts,
      reason,
      content: given.content,
      audience: governance ? null : orFail(chooseAudience(action, rules.roster, options.audience)),
      executor: governance ? null : orFail(chooseExecutor(action, rules.roster, options.executor, given.executorKey)),
      drivers: readDrivers([...(options.driver ?? []), ...(options.for ?? [])]),
      emergency: options.emergency === true,
      nonce,
      not_after: validUntil(action, options.expires),
      attested,
    },
  };
};

const checkDraft = (draft: RequestDraft, name: string, options: AskOptions, { content }: Given): void => {
  if (draft.action !== name) usage(`--draft is of \`${draft.action}\`, not of \`${name}\``);
  if ((options.fact ?? []).length > 0)
    usage('--fact and --draft do not go together', 'the facts are those of the draft');
  if (draft.content !== (content === undefined ? null : digestOf(content)))
    usage('--content is not what the draft was made with', 'give the same file, or prepare a new draft');
};

const readDrivers = (given: readonly string[]): readonly string[] => {
  const persons = [...new Set(given.map((one) => one.replace(/^person:/, '')))].sort();
  const wrong = persons.find((one) => !/^p_[a-z0-9_]{4,40}$/.test(one));
  return wrong === undefined
    ? persons
    : usage(`\`${wrong.slice(0, 60)}\` is no person`, 'write an id such as p_7h2k9w');
};

// Long enough for answering, for the longest wait, and for using the permit.
const validUntil = (action: CompiledAction, expires: string | undefined): Instant => {
  if (expires !== undefined) return inMs(durationMs(expires, '--expires'));
  const { answer_within_ms, permit_valid_ms } = action.timing;
  const wait = Math.max(0, ...action.tiers.map((tier) => tier.time_lock?.wait_ms ?? 0));
  return inMs(Math.min(maxValidityMs - 60_000, answer_within_ms + wait + permit_valid_ms));
};

const chooseAudience = (action: CompiledAction, roster: Roster, given: string | undefined): Result<string> => {
  const enrolled = [...roster.records].flatMap(([key, record]) =>
    key.startsWith('instance/') &&
    record['status'] === 'active' &&
    Array.isArray(record['actions']) &&
    record['actions'].includes(action.name)
      ? [key.slice('instance/'.length)]
      : [],
  );
  const [only, ...others] = enrolled;
  if (given !== undefined && enrolled.includes(given)) return ok(given);
  if (given === undefined && only !== undefined && others.length === 0) return ok(only);
  const which = enrolled.join(', ') || 'there is none yet; enrol one by a roster change';
  return refuse(
    'audience-unknown',
    'Q4',
    given === undefined
      ? `\`${action.name}\` has ${enrolled.length} enforcement points`
      : `\`${given}\` is not an enforcement point of \`${action.name}\``,
    { enrolled },
    `say which: --audience NAME, out of ${which}`,
  );
};

const chooseExecutor = (
  action: CompiledAction,
  roster: Roster,
  given: string | undefined,
  own: string | undefined,
): Result<string> => {
  if (given !== undefined) {
    if (/^SHA256:[A-Za-z0-9+/]{43}$/.test(given)) return ok(given);
    const key = readPublicKey(given);
    return key.ok ? ok(key.value.fingerprint) : key;
  }
  if (own !== undefined) return ok(own);
  const able = [...roster.records].flatMap(([key, record]) =>
    key.startsWith('key/') && record['status'] === 'active' && isAmong(roster, String(record['holder']), action.run)
      ? [{ key: key.slice('key/'.length), holder: String(record['holder']) }]
      : [],
  );
  const [only, ...others] = able;
  if (only !== undefined && others.length === 0) return ok(only.key);
  return refuse(
    'executor-not-allowed',
    'Q4',
    `\`${action.name}\` may be run with ${able.length} keys`,
    { keys: able },
    `say which key will use the permit: --executor SHA256:… or FILE.pub, out of ${able.map(({ key, holder }) => `${key} (${holder})`).join(', ') || `those of ${action.run.join(', ')}`}`,
  );
};

const readAttested = (action: CompiledAction, files: readonly string[]): Result<readonly Envelope[]> => {
  const attested: Envelope[] = [];
  for (const path of files) {
    const read = readEnvelopeFile(path);
    if (!read.ok) return read;
    attested.push(read.value);
  }
  const wanted = Object.entries(action.facts).filter(([, fact]) => fact.source.kind === 'attested');
  const told = new Set(
    attested.flatMap(({ statement }) => {
      const parsed = parseJson(statement);
      const fact = parsed.ok ? (parsed.value as { fact?: unknown } | null)?.fact : undefined;
      return typeof fact === 'string' ? [fact] : [];
    }),
  );
  const missing = wanted.find(([name]) => !told.has(name));
  if (missing === undefined) return ok(attested);
  const [name, { source }] = missing;
  const by = source.kind === 'attested' ? source.by : '';
  return refuse(
    'fact-unattested',
    'F5',
    `fact \`${name}\` of \`${action.name}\` must be attested by \`${by}\``,
    { fact: name, by },
    `write a draft with \`countersign request ${action.name} --prepare --fact … --out draft.json\`, let somebody of ${by} run \`countersign attest draft.json --fact ${name}=… --out ${name}.json\`, then ask with \`countersign request ${action.name} --draft draft.json --attest ${name}.json\``,
  );
};

/** Reads a signed statement from a file: an envelope as JSON. */
export const readEnvelopeFile = (path: string): Result<Envelope> => {
  try {
    const parsed = parseJson(readFileSync(path));
    return parsed.ok ? envelope(parsed.value, path) : parsed;
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code;
    if (why === undefined) throw error;
    return refuse(
      'shape-mismatch',
      'K5',
      `\`${path}\` cannot be read (${why})`,
      {},
      'name a file that `countersign attest` wrote',
    );
  }
};

export { factLines };
