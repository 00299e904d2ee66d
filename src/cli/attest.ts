// SPDX-License-Identifier: Apache-2.0
import { Option } from 'commander';
import { signerOf } from '../client/requests.ts';
import { factStatementOf, inMs, signStatement } from '../client/statements.ts';
import { visibleText } from '../client/visible-text.ts';
import { refuse } from '../kernel/refusal.ts';
import { isAmong } from '../roster/roster.ts';
import { durationMs } from './duration.ts';
import { factValue } from './fact-argument.ts';
import { examples } from './help.ts';
import { openClient } from './open-client.ts';
import { clientOptions, type ClientOptions } from './options.ts';
import { fail, orFail, print, printJson, say, usage } from './output.ts';
import { rulesInForce } from './rules-in-force.ts';
import type { Verb } from './verb.ts';
import { writePrivate } from './write-private.ts';

type AttestOptions = ClientOptions & {
  readonly nonce: string;
  readonly fact: string;
  readonly expires: string;
  readonly out?: string;
};

const attest = async (name: string, options: AttestOptions): Promise<void> => {
  if (!/^[0-9a-f]{16}$/.test(options.nonce))
    usage(
      `--nonce \`${options.nonce.slice(0, 40)}\` is no nonce`,
      'take it from whoever ran `countersign request --prepare`',
    );
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
    nonce: options.nonce,
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
    `${by} vouches that ${visibleText(fact)} is ${visibleText(JSON.stringify(value))}, for the request with nonce ${options.nonce} alone.`,
  );
};

export const verb: Verb = (program) => {
  examples(
    clientOptions(
      program
        .command('attest')
        .description('Vouch for a fact of a request that somebody is about to make. It serves for that request alone.')
        .argument('<action>', 'what policy calls it, such as deploy.production'),
    )
      .requiredOption('--nonce <hex>', 'from whoever ran `countersign request --prepare`')
      .requiredOption('--fact <name=value>', 'what you vouch for')
      .addOption(new Option('--expires <duration>', 'how long it may be used').default('4h'))
      .option('--out <file>', 'write it to a new file instead of stdout')
      .action(attest),
    '$ countersign attest deploy.production --nonce 0123456789abcdef --fact tested=true --out tested.json',
  );
};
