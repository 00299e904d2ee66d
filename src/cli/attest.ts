// SPDX-License-Identifier: Apache-2.0
import { Option } from 'commander';
import { documentLines } from '../client/change-lines.ts';
import { signerOf } from '../client/requests.ts';
import { factStatementOf, inMs, signStatement } from '../client/statements.ts';
import { visibleText } from '../client/visible-text.ts';
import { refuse } from '../kernel/refusal.ts';
import { subjectOf } from '../request/draft.ts';
import { isAmong } from '../roster/roster.ts';
import { draftText, readDraftFile } from './draft-file.ts';
import { durationMs } from './duration.ts';
import { factValue } from './fact-argument.ts';
import { examples } from './help.ts';
import { openClient } from './open-client.ts';
import { clientOptions, type ClientOptions } from './options.ts';
import { fail, orFail, print, printJson, say, usage } from './output.ts';
import { rulesInForce } from './rules-in-force.ts';
import type { Verb } from './verb.ts';
import { writePrivate } from './write-private.ts';

type AttestOptions = ClientOptions & { readonly fact: string; readonly expires: string; readonly out?: string };

const attest = async (file: string, options: AttestOptions): Promise<void> => {
  const draft = orFail(readDraftFile(file));
  const name = draft.action;
  const split = options.fact.indexOf('=');
  if (split < 1) usage(`--fact \`${options.fact.slice(0, 60)}\` has no \`=\``, 'write --fact NAME=VALUE');
  const [fact, text] = [options.fact.slice(0, split), options.fact.slice(split + 1)];
  const client = await openClient(options, { signs: true });
  const rules = orFail(await rulesInForce(client));
  const action = orFail(rules.action(name));
  const declared = Object.hasOwn(action.facts, fact) ? action.facts[fact] : undefined;
  if (declared === undefined || declared.source.kind !== 'attested')
    return fail(
      refuse(
        'fact-unexpected',
        'F1',
        `\`${name}\` has no attested fact \`${fact}\``,
        { fact },
        'see `countersign request --prepare`',
      ).refusal,
    );
  const by = orFail(await client.principal());
  if (!isAmong(rules.roster, by, [declared.source.by]))
    fail(
      refuse(
        'fact-unattested',
        'F5',
        `\`${by}\` is not one of \`${declared.source.by}\`, who attest \`${fact}\``,
        { by },
        `let one of ${declared.source.by} sign`,
      ).refusal,
    );
  const value = orFail(factValue(fact, declared, text));
  const statement = factStatementOf(client.anchor, by, {
    action: name,
    fact,
    value,
    subject: subjectOf(draft),
    not_after: inMs(durationMs(options.expires, '--expires')),
  });
  const envelope = orFail(await signStatement(orFail(signerOf(client)), statement));
  if (options.out === undefined) printJson(envelope);
  else {
    writePrivate(options.out, `${JSON.stringify(envelope)}\n`, { fresh: true });
    if (options.json) printJson({ file: options.out, fact, value, by });
    else print(options.out);
  }
  say(
    `${by} vouches that ${visibleText(fact)} is ${visibleText(JSON.stringify(value))}, for one request with exactly this:`,
  );
  for (const line of orFail(documentLines(draftText(draft)))) say(`  ${line.path}  ${line.value}`);
};

export const verb: Verb = (program) => {
  examples(
    clientOptions(
      program
        .command('attest')
        .description(
          'Vouch for a fact of a request that somebody is about to make. It serves for one request with exactly the facts and the content of the draft.',
        )
        .argument('<draft>', 'file that `countersign request --prepare` wrote'),
    )
      .requiredOption('--fact <name=value>', 'what you vouch for')
      .addOption(new Option('--expires <duration>', 'how long it may be used').default('4h'))
      .option('--out <file>', 'write it to a new file instead of stdout')
      .action(attest),
    '$ countersign attest draft.json --fact tested=true --out tested.json',
  );
};
