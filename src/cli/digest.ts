// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { openVerifiedCase } from '../client/verified-case.ts';
import { visibleText } from '../client/visible-text.ts';
import { digestOf } from '../crypto/digest.ts';
import { fingerprintWords } from '../crypto/words.ts';
import { parseCanonical } from '../kernel/canonical-json.ts';
import { refuse, type JsonValue } from '../kernel/refusal.ts';
import { isObject } from '../kernel/shape.ts';
import type { OpenedCase } from '../verify/open-case.ts';
import { examples } from './help.ts';
import { manyOption, type Many } from './many-option.ts';
import { openClient } from './open-client.ts';
import { verifyingOptions, type VerifyingOptions } from './options.ts';
import { fail, orFail, print, printJson, say, usage } from './output.ts';
import type { Verb } from './verb.ts';

type DigestOptions = VerifyingOptions & { readonly artifact?: Many; readonly repo?: string };
type Found = { readonly what: string; readonly digest: string; readonly where: string };

const digest = async (id: string, options: DigestOptions): Promise<void> => {
  const files = (options.artifact ?? []).map((path) => ({ path, digest: fileDigest(path) }));
  const client = await openClient(options, { verifies: true });
  const opened = orFail(await openVerifiedCase(client, id));
  const found = [
    ...files.map(({ path, digest }) => ({ what: path, digest, where: whereFile(opened, path, digest) })),
    ...(options.repo === undefined ? [] : commitsIn(opened, options.repo)),
  ];
  const words = fingerprintWords(opened.digest);
  if (options.json) printJson({ request: id, revision: opened.change.revision, change: opened.digest, words, found });
  else {
    print(opened.digest);
    print(words.join(' '));
  }
  say('Worked out on this machine: governance from your pin on, the request as it was signed, the change document.');
  for (const { what, where } of found) say(`${visibleText(what)} is what the change says: ${visibleText(where)}`);
  if (found.length === 0) say('No artefact was compared: `--artifact FILE` and `--repo DIR` do that.');
};

const fileDigest = (path: string): string => {
  try {
    return digestOf(readFileSync(path));
  } catch (error) {
    return usage(`--artifact \`${path}\` cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unreadable'})`);
  }
};

/** Where a value stands in the change or in the content it names; undefined when it stands nowhere. */
const placeOf = (opened: OpenedCase, wanted: JsonValue): string | undefined => {
  for (const [name, fact] of Object.entries(opened.change.facts)) if (fact.value === wanted) return `fact ${name}`;
  if (opened.change.content === wanted) return 'content';
  const bytes = opened.change.content === null ? undefined : opened.blobs.get(opened.change.content);
  const plan = bytes === undefined ? undefined : parseCanonical(bytes);
  const artefacts = plan?.ok === true && isObject(plan.value) ? plan.value['artefacts'] : undefined;
  if (!Array.isArray(artefacts)) return undefined;
  const at = (artefacts as readonly JsonValue[]).findIndex((one) => isObject(one) && one['digest'] === wanted);
  return at < 0 ? undefined : `content.artefacts[${at}]`;
};

const differs = (message: string): never =>
  fail(
    refuse(
      'artefact-differs',
      'W5',
      message,
      {},
      'what you hold is not what this request is about; approve nothing of it',
    ).refusal,
  );

const whereFile = (opened: OpenedCase, path: string, own: string): string =>
  placeOf(opened, own) ?? differs(`\`${path}\` has digest \`${own}\`, which the change names nowhere`);

// A commit id is the digest of its bytes: git itself says whether this repository holds exactly that commit.
const commitsIn = (opened: OpenedCase, repo: string): readonly Found[] => {
  const commits = Object.entries(opened.change.facts).filter(
    ([, { value }]) => typeof value === 'string' && /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(value),
  );
  if (commits.length === 0) return differs('the change names no commit');
  return commits.map(([name, { value }]) => {
    const id = String(value);
    try {
      const type = execFileSync('git', ['-C', repo, 'cat-file', '-t', id], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      if (type.trim() === 'commit') {
        execFileSync('git', ['-C', repo, 'fsck', '--no-dangling', '--no-progress', '--connectivity-only', id], {
          stdio: 'ignore',
        });
        return { what: id, digest: id, where: `fact ${name}` };
      }
    } catch {
      // Falls through: not there, or not whole.
    }
    return differs(`repository \`${repo}\` does not hold commit \`${id}\` of fact \`${name}\` whole`);
  });
};

export const verb: Verb = (program) => {
  examples(
    verifyingOptions(
      program
        .command('digest')
        .description("Work out a request's change digest on this machine, and compare it with what you hold yourself.")
        .argument('<id>', 'request id'),
    )
      .addOption(manyOption('--artifact <file>', 'a file that the change must name by its digest'))
      .option('--repo <dir>', 'a git repository that must hold the commits the change names')
      .action(digest),
    '$ countersign digest req_0123456789abcdefghjkmnpqrs --artifact dist/shop.tgz --repo .',
  );
};
