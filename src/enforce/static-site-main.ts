// SPDX-License-Identifier: Apache-2.0
// node src/enforce/static-site.ts --folder DIR --pin sha256:… --instance NAME --action NAME [--fact NAME] [--port N]
import { parseArgs } from 'node:util';
import { startStaticSite } from './static-site.ts';

const usage = `static-site: a host that takes a new version only with a permit for that very artefact

  --folder DIR       where it keeps the site and what it must not forget
  --pin DIGEST       the ledger's genesis, as its founders gave it to you
  --instance NAME    its name in the roster, which permits name as audience
  --action NAME      the action whose permits let a version in
  --target TARGET    the target it is; left out, any of the action
  --fact NAME        the fact that holds the artefact's digest; left out, the permit's content
  --min-persons N    least number of distinct persons who approved
  --port N           port on 127.0.0.1; left out, a free one
  --allow-trial      takes permits of trial ledgers
  --accept-v0        takes formats of version v0 outside trials
`;

const fail = (message: string): never => {
  process.stderr.write(`error: ${message}\n\n${usage}`);
  process.exit(2);
};

const read = () => {
  try {
    return parseArgs({
      options: {
        folder: { type: 'string' },
        pin: { type: 'string' },
        instance: { type: 'string' },
        action: { type: 'string' },
        target: { type: 'string' },
        fact: { type: 'string' },
        'min-persons': { type: 'string' },
        port: { type: 'string' },
        'allow-trial': { type: 'boolean' },
        'accept-v0': { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
};

const values = read();
const needed = (name: 'folder' | 'pin' | 'instance' | 'action'): string =>
  values[name] ?? fail(`\`--${name}\` is missing`);
const number = (name: 'min-persons' | 'port'): number | undefined => {
  const value = values[name];
  if (value === undefined) return undefined;
  return /^\d{1,5}$/.test(value) ? Number(value) : fail(`\`--${name} ${value}\` is no number`);
};

const started = await startStaticSite({
  folder: needed('folder'),
  pin: needed('pin'),
  instance: needed('instance'),
  action: needed('action'),
  target: values.target,
  fact: values.fact,
  minPersons: number('min-persons'),
  port: number('port'),
  allowTrial: values['allow-trial'],
  acceptV0: values['accept-v0'],
});
if (!started.ok) {
  const { code, message, help } = started.refusal;
  process.stderr.write(`error[${code}]: ${message}\n${help === undefined ? '' : `  help: ${help}\n`}`);
  process.exit(1);
}
process.stdout.write(`${JSON.stringify({ url: started.value.url })}\n`);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void started.value.stop());
