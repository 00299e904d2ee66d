// SPDX-License-Identifier: Apache-2.0
import { readServerUrl } from '../client/connect.ts';
import { acceptCheckpoint } from '../client/history.ts';
import { homeFolder } from '../client/home-file.ts';
import { openTrustStore } from '../client/trust-store.ts';
import { refuse } from '../kernel/refusal.ts';
import { readCheckpointNote } from '../ledger/checkpoint.ts';
import { knownLogs, type KnownLog } from './log-key-of.ts';
import { readNote } from './ledger-evidence.ts';
import { fail, orFail, print, printJson, usage } from './output.ts';

export type CompareOptions = { readonly server?: string; readonly pin?: string; readonly json: boolean };

const sizeOf = ({ note }: KnownLog): number => {
  const read = note === null ? undefined : readCheckpointNote(note);
  return read?.ok === true ? read.value.size : -1;
};

const bySize = (one: KnownLog, other: KnownLog): number => sizeOf(other) - sizeOf(one);

/** `ledger seen`: the newest checkpoint this machine has seen, for a colleague to compare with theirs. */
export const printSeen = ({ server, pin }: Omit<CompareOptions, 'json'>): void => {
  const url = server === undefined ? undefined : orFail(readServerUrl(server));
  const found = knownLogs()
    .filter(
      (one) => one.note !== null && (pin === undefined || one.pin === pin) && (url === undefined || one.server === url),
    )
    .toSorted(bySize);
  const ledgers = new Set(found.map((one) => one.pin));
  if (ledgers.size > 1)
    usage('this machine knows several ledgers', `say which: --pin ${[...ledgers].join(', or --pin ')}`);
  const [newest] = found;
  if (newest?.note === null || newest === undefined)
    return usage(
      'this machine has seen no checkpoint of that ledger',
      'meet its server once: countersign list --server URL --pin sha256:…',
    );
  print(newest.note.trimEnd());
};

const compareOne = async (file: string, options: CompareOptions): Promise<void> => {
  const note = readNote(file);
  const theirs = orFail(readCheckpointNote(note));
  const candidates = knownLogs().filter(
    ({ log, pin }) => log.name === theirs.origin && (options.pin === undefined || pin === options.pin),
  );
  const mine = candidates.toSorted(bySize)[0];
  if (mine === undefined)
    return fail(
      refuse(
        'pin-missing',
        'W1',
        `this machine knows no ledger \`${theirs.origin.slice(0, 120)}\``,
        { file },
        'meet its server once: countersign list --server URL --pin sha256:…',
      ).refusal,
    );
  const { pin, tenant, trial, log: logKey } = mine;
  const server = options.server === undefined ? mine.server : orFail(readServerUrl(options.server));
  const store = openTrustStore(homeFolder(process.env));
  const size = sizeOf(mine);
  // The same that every contact does: it ends in a refusal with evidence where the two are two histories.
  orFail(await acceptCheckpoint({ server, anchor: { pin, tenant, trial, logKey }, store, file }, note));
  const [smaller, larger] = [size, theirs.size].toSorted((a, b) => a - b);
  if (options.json) return printJson({ file, same_history: true, mine: size, theirs: theirs.size, root: theirs.root });
  print(
    size === theirs.size
      ? `the same: both have seen size ${size}, root ${theirs.root}`
      : `one history: size ${String(smaller)} lies in size ${String(larger)}, as ${server} proves; ${size > theirs.size ? 'you have' : 'they have'} seen more`,
  );
};

/** `ledger compare`: checkpoints of colleagues against the newest one this machine has seen. */
export const compareNotes = async (files: readonly string[], options: CompareOptions): Promise<void> => {
  for (const file of files) await compareOne(file, options);
};
