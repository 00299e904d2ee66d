// SPDX-License-Identifier: Apache-2.0
import type { Quarantine } from '../app/quarantine.ts';
import { fingerprintWords } from '../crypto/words.ts';
import { StoreFailure } from '../ledger/store.ts';
import { startServer, type RunningServer } from '../server/serve.ts';
import type { ServeOptions } from '../server/serve-settings.ts';
import { fail, escaped, orFail, print, say, styled, styledOut, usage } from './output.ts';
import { readListen, type ServeVerbOptions } from './serve.ts';

/** Says loudly that the ledger is damaged, where, and what goes on all the same. */
const sayQuarantine = ({ index, what, still_works }: Quarantine, dir: string): void => {
  say(styled(['red', 'bold'], `QUARANTINE: the ledger is damaged from entry ${index} on: ${escaped(what)}`));
  say('  Nothing is appended: no votes, no permits. Still working: ' + still_works.join(', ') + '.');
  say(`  Stop this server, look with \`countersign ledger replay --dir ${dir}\`, and put the right files back.`);
  if (what === 'its mark is gone')
    say('  If it was you who took the mark, start once with `--accept-loss SIZE`, the size at which the ledger ends.');
  say(
    `  A missing end comes back from a mirror or an export: \`countersign ledger restore --dir ${dir} --from COPY\`.`,
  );
};

/** What an operator needs to see first, on stdout; stderr is for log lines: where it listens, which ledger, how far. */
export const sayServing = (server: RunningServer): void => {
  const { sequencer } = server.ledger;
  const identity = sequencer.state().identity;
  print(`Listening on  ${styledOut('bold', server.url)}`);
  if (identity !== null) {
    print(`Pin           ${identity.ledger}${identity.trial ? '  (trial)' : ''}`);
    print(`              ${fingerprintWords(identity.ledger).join(' ')}`);
  }
  const { size, time } = sequencer.head();
  print(`Ledger        ${size} entr${size === 1 ? 'y' : 'ies'}${time === null ? '' : `, the last at ${time}`}`);
};

// A terminal tells the whole group of processes, and a launcher passes on what it is told: one Ctrl-C may come twice.
const sameSignalMs = 1000;

/** Stops once on SIGTERM or SIGINT; a second signal, a second later or more, ends the process where it stands. */
export const stopOnSignal = (server: { readonly stop: () => Promise<void> }): void => {
  let stoppingSince: number | undefined;
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => {
      // Not by `process.exit` alone: it waits for threads, and one may hang in a disk that does not answer.
      if (stoppingSince !== undefined) {
        if (performance.now() - stoppingSince < sameSignalMs) return;
        process.kill(process.pid, 'SIGKILL');
        // The first process of a container is not killed by itself.
        process.exit(signal === 'SIGINT' ? 130 : 143);
      }
      stoppingSince = performance.now();
      say('Stopping: answering what is under way …');
      server.stop().then(
        () => process.exit(0),
        (error: unknown) => {
          say(String(error));
          process.exit(1);
        },
      );
    });
};

/** Starts a server and says what it serves; quarantine is said as loudly as a terminal can. */
export const startServing = async (options: ServeOptions): Promise<RunningServer> => {
  const server = orFail(
    await startServer({ ...options, onAlert: (quarantine) => sayQuarantine(quarantine, options.dir) }),
  );
  // Before anything is said: whoever reads that it listens may stop it at once.
  stopOnSignal(server);
  sayServing(server);
  return server;
};

export const serve = async (options: ServeVerbOptions): Promise<void> => {
  const { dir, publicUrl, tlsCert, tlsKey, trustedProxy, mark, acceptMissingMark, acceptLoss, acceptTimeJump } =
    options;
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    usage('--tls-cert and --tls-key go together', 'give both, or neither');
  if (acceptLoss !== undefined && !/^(0|[1-9]\d{0,14})$/.test(acceptLoss))
    usage(
      `--accept-loss \`${acceptLoss}\` is no size`,
      'give the number of entries at which the ledger ends, such as 480',
    );
  await startServing({
    dir,
    fallbackPort: 7080,
    ...(options.listen === undefined ? {} : readListen(options.listen)),
    ...(publicUrl === undefined ? {} : { publicUrl }),
    ...(tlsCert === undefined || tlsKey === undefined ? {} : { tls: { certificate: tlsCert, key: tlsKey } }),
    ...(trustedProxy === undefined ? {} : { trustedProxies: trustedProxy }),
    ...(mark === undefined ? {} : { markFile: mark }),
    ...(acceptMissingMark === undefined ? {} : { acceptMissingMark }),
    ...(acceptLoss === undefined ? {} : { acceptLoss: Number(acceptLoss) }),
    acceptTimeJump: acceptTimeJump === true,
    fatal: (error) =>
      fail({
        code: 'ledger-unavailable',
        message: `the ledger stopped: ${error instanceof Error ? error.message : String(error)}`,
        help: `nothing that was acknowledged is lost; ${(error instanceof StoreFailure ? error.refusal.help : undefined) ?? 'look at disk and memory'}; then start it again`,
      }),
  });
};
