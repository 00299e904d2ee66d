// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { Option, type Command } from 'commander';
import { visibleText } from '../client/visible-text.ts';
import { refuse } from '../kernel/refusal.ts';
import { readServerConfig } from '../server/server-config.ts';
import { holdsLedger } from '../server/store-config.ts';
import { mintToken, readTokens, revokeToken } from '../server/tokens.ts';
import { durationMs } from './duration.ts';
import { examples } from './help.ts';
import { jsonOption } from './options.ts';
import { fail, orFail, print, printJson, say, usage } from './output.ts';
import type { Verb } from './verb.ts';
import { writePrivate } from './write-private.ts';

type Common = { readonly dir: string; readonly json: boolean };
type Create = Common & {
  readonly name: string;
  readonly expires: string;
  readonly scope: string;
  readonly out?: string;
};

const longestDays = 366;

const dirOption = (): Option =>
  new Option('--dir <folder>', 'data folder of the server').env('COUNTERSIGN_DIR').makeOptionMandatory();

// A token beside no ledger would be a file that nobody reads.
const checkFolder = (dir: string): void => {
  const config = orFail(readServerConfig(dir));
  if (holdsLedger(dir, config.store)) return;
  fail(
    refuse(
      'ledger-missing',
      'H8',
      `there is no ledger in \`${dir}\``,
      { dir },
      'found one with `countersign init`, or look at `--dir`',
    ).refusal,
  );
};

const create = ({ dir, name, expires, scope, out, json }: Create): void => {
  if (scope !== 'read') usage(`--scope \`${scope}\` does not exist`, 'the only scope is `read`: tokens never act');
  if (name.length > 100 || !/^[^\p{C}]+$/u.test(name)) usage(`--name \`${name}\` is no name`, 'use up to 100 letters');
  const validMs = durationMs(expires, '--expires');
  if (validMs > longestDays * 86_400_000)
    usage(`--expires \`${expires}\` is too long`, `a token lasts at most ${longestDays} days`);
  checkFolder(dir);
  if (out !== undefined && existsSync(out)) usage(`\`${out}\` is there already`, 'name a new file');
  const { token, id, expiresAt } = orFail(mintToken(dir, { label: name, validMs }));
  if (out !== undefined) writePrivate(out, `${token}\n`, { fresh: true });
  if (json) printJson({ id, name, scope, expires_at: expiresAt, ...(out === undefined ? { token } : { file: out }) });
  else {
    print(out ?? token);
    say(`Token ${id} for ${visibleText(name)} reads and nothing else, until ${expiresAt}.`);
    say(
      out === undefined
        ? 'It is shown this once; only its hash is kept.'
        : `It lies in ${out}; give it with --token-file ${out}`,
    );
  }
};

const list = ({ dir, json }: Common): void => {
  checkFolder(dir);
  const now = new Date().toISOString();
  const tokens = orFail(readTokens(dir)).map(({ id, label, scope, created_at, expires_at }) => ({
    id,
    name: label,
    scope,
    created_at,
    expires_at,
    expired: expires_at <= now,
  }));
  if (json) return printJson(tokens);
  if (tokens.length === 0) say('There is no token. Make one: countersign token create');
  for (const { id, name, scope, expires_at, expired } of tokens)
    print(`${id}  ${scope}  ${expired ? 'expired' : 'until'} ${expires_at}  ${visibleText(name)}`);
};

const revoke = (id: string, { dir, json }: Common): void => {
  checkFolder(dir);
  const removed = orFail(revokeToken(dir, id));
  if (!removed)
    fail(refuse('token-unknown', 'H1', `there is no token \`${id}\``, { id }, 'see `countersign token list`').refusal);
  if (json) printJson({ id, revoked: true });
  else say(`Token ${id} is revoked; a running server knows within a second.`);
};

export const verb: Verb = (program) => {
  const token: Command = program
    .command('token')
    .description('Make, list and revoke tokens that let one read, and nothing else.');
  examples(
    jsonOption(token.command('create').description('Make a token and print it once; only its hash is kept.'))
      .addOption(dirOption())
      .requiredOption('--name <name>', 'what it is for')
      .option('--expires <duration>', 'how long it lasts: 12h, 30d; at most 366d', '30d')
      .option('--scope <scope>', 'what it lets one do; there is only `read`', 'read')
      .option('--out <file>', 'write it to a new file of mode 0600 instead of stdout')
      .action(create),
    '$ countersign token create --dir /srv/countersign --name prometheus --expires 90d',
    '$ countersign token create --dir ./trial --name me --out ~/.countersign-token',
  );
  examples(
    jsonOption(token.command('list').description('List tokens by id, name and expiry; never the tokens themselves.'))
      .addOption(dirOption())
      .action(list),
    '$ countersign token list --dir /srv/countersign',
  );
  examples(
    jsonOption(token.command('revoke').description('End a token at once.').argument('<id>', 'such as tok_5d41402a'))
      .addOption(dirOption())
      .action(revoke),
    '$ countersign token revoke tok_5d41402a --dir /srv/countersign',
  );
};
