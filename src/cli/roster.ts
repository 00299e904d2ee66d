// SPDX-License-Identifier: Apache-2.0
import { Option } from 'commander';
import { examples } from './help.ts';
import { clientOptions, outputOptions, type ClientOptions, verifyingOptions } from './options.ts';
import { orFail, print, printJson } from './output.ts';
import type { PossessionOptions } from './roster-possession.ts';
import type { RosterProposeOptions } from './roster-propose.ts';
import type { Verb } from './verb.ts';

const show = async (options: ClientOptions): Promise<void> => {
  const [{ openClient }, { rulesInForce }, { rosterLines }] = await Promise.all([
    import('./open-client.ts'),
    import('./rules-in-force.ts'),
    import('./genesis-summary.ts'),
  ]);
  const { roster, people } = orFail(await rulesInForce(await openClient(options)));
  const { version, root, records } = roster;
  if (options.json) return printJson({ version, root, records: Object.fromEntries(records), people });
  print(`Roster version ${version}, root ${root}`);
  for (const line of rosterLines(records, wordOfServer(people))) print(line);
};

// An id comes first and counts; a name is what the server says of it.
const wordOfServer = (people: { readonly [person: string]: string }): { readonly [person: string]: string } =>
  Object.fromEntries(Object.entries(people).map(([id, name]) => [id, `the server calls them ${name}`]));

const many = (flags: string, description: string): Option =>
  new Option(flags, `${description}; repeat`)
    .argParser((value, before: readonly string[]) => [...before, value])
    .default([], 'none');

export const verb: Verb = (program) => {
  const roster = program
    .command('roster')
    .description('Show who there is, or propose a change: people, machines, keys, groups.');
  examples(
    clientOptions(
      roster.command('show').description('Show the roster in force: persons by opaque id, keys with six words each.'),
    ).action(show),
    '$ countersign roster show --server https://gate.example.org',
  );
  examples(
    verifyingOptions(
      roster
        .command('propose')
        .description('Ask for a change of the roster. It is checked here, then approved like any request.'),
    )
      .addOption(many('--add-person <id,attributes>', 'a new person, such as p_7h2k9w,team=dev'))
      .addOption(many('--add-machine <name,…>', 'a new machine: NAME,accountable=PERSON,purpose=TEXT'))
      .addOption(many('--possession <file>', "a new key, by its holder's proof from `roster possession`"))
      .addOption(many('--join <group=person>', 'put a person into a group'))
      .addOption(many('--leave <group=person>', 'take a person out of a group'))
      .addOption(many('--suspend <principal>', 'suspend person:<id> or machine:<name>'))
      .addOption(many('--revoke-key <fingerprint>', 'revoke a key, for good'))
      .addOption(
        many('--distrust-key <fingerprint>', 'count nothing that a key signed from a ledger entry on: SHA256:…=INDEX'),
      )
      .addOption(many('--remove <record>', 'remove a group, login, enforcement point or origin, such as group/old'))
      .addOption(many('--set <file>', 'records to set, as JSON {"group/new":{…},…} (FORMATS section 5)'))
      .option('--reason <text>', 'why, for the people who decide')
      .option('--out <file>', 'only write the change to a file, and ask for nothing')
      .action(async (options: RosterProposeOptions) => (await import('./roster-propose.ts')).propose(options)),
    '# enrol somebody who sent you the proof that they hold their key',
    '$ countersign roster propose --add-person p_7h2k9w,team=dev --possession possession.json \\',
    '    --join developers=p_7h2k9w --reason "Joins the team"',
    '$ countersign roster propose --revoke-key SHA256:… --reason "Laptop lost"',
  );
  examples(
    outputOptions(
      roster
        .command('possession')
        .description('With a new key: sign that you hold it, for whoever enrols you. Needs no server.'),
    )
      .addOption(new Option('--key <file|agent>', 'the new private key, or `agent`').env('COUNTERSIGN_KEY'))
      .option('--holder <principal>', 'whose key it is; left out: a person who is new, with an id drawn now')
      .addOption(new Option('--pin <digest>', 'digest of the genesis of the ledger').env('COUNTERSIGN_PIN'))
      .option('--out <file>', 'where to write the proof', 'possession.json')
      .action(async (options: PossessionOptions) => (await import('./roster-possession.ts')).provePossession(options)),
    '$ countersign roster possession --key ~/.ssh/id_ed25519 --pin sha256:…',
    '$ countersign roster possession --key deployer.key --holder machine:deployer --pin sha256:…',
  );
};
