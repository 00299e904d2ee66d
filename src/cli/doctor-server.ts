// SPDX-License-Identifier: Apache-2.0
import { connect, readServerUrl, readTokenFile, type Client } from '../client/connect.ts';
import { homeFolder } from '../client/home-file.ts';
import { openSigner } from '../client/signer.ts';
import { refuseOldServer } from '../client/server-freshness.ts';
import { callJson, callText } from '../client/server-call.ts';
import { isObject } from '../kernel/shape.ts';
import { sayTime } from '../ledger/freshness.ts';
import { alertsFinding, doubtful, well, wrong, type Finding } from './doctor-finding.ts';
import { examineRewrite } from './doctor-rewrite.ts';
import type { ClientOptions } from './options.ts';
import { readPolicyFile } from './witness-policy-file.ts';

const skewMs = 120_000;

/** Looks at a server as a client meets it: reachable, the right ledger, a clock near ours, and whether we may read. */
export const examineServer = async (address: string, options: ClientOptions): Promise<readonly Finding[]> => {
  const url = readServerUrl(address);
  if (!url.ok) return [wrong('server', url.refusal.message, url.refusal.help)];
  const server = url.value;
  const info = await callJson({ server, method: 'GET', path: '/v1/ledger' });
  if (!info.ok) return [wrong('server', info.refusal.message, info.refusal.help)];
  const witnesses = readPolicyFile(options.witnesses);
  const client = await connect({
    server,
    pin: options.pin,
    home: homeFolder(process.env),
    allowTrial: true,
    signer: await signerOf(options),
    token: tokenOf(options),
    as: options.as,
    witnesses,
  });
  return [
    well('server', `\`${server}\` answers`),
    await examineReady(server),
    examineQuarantine(info.value),
    await examineClock(server),
    client.ok
      ? well(
          'pin',
          `it serves the ledger you trust, ${client.value.anchor.pin}, and continues what you have seen of it`,
        )
      : wrong('pin', client.refusal.message, client.refusal.help),
    ...(client.ok ? [examineHeartbeat(client.value), examineRewrite(client.value, witnesses)] : []),
    ...(client.ok ? await examineAccess(client.value, options) : []),
  ];
};

const signerOf = async ({ key }: ClientOptions) => {
  const signer = key === undefined ? undefined : await openSigner(key, { env: process.env, input: false });
  return signer?.ok === true ? signer.value : undefined;
};

const tokenOf = ({ tokenFile }: ClientOptions): string | undefined => {
  const token = tokenFile === undefined ? undefined : readTokenFile(tokenFile);
  return token?.ok === true ? token.value : undefined;
};

export const examineReady = async (server: string): Promise<Finding> => {
  const ready = await callText({ server, method: 'GET', path: '/readyz' });
  return ready.ok
    ? well('ready', 'it takes commands')
    : ready.refusal.code === 'server-unreachable'
      ? wrong('ready', ready.refusal.message, 'look whether it runs, and where it listens: --server URL')
      : wrong(
          'ready',
          'it takes no commands: it opens its ledger or stops, cannot reach its store, or is in quarantine',
          `${server}/readyz says which; in quarantine whoever runs it looks with \`countersign ledger replay\``,
        );
};

const examineQuarantine = (info: unknown): Finding => {
  const quarantine = isObject(info) ? info['quarantine'] : undefined;
  return isObject(quarantine)
    ? wrong(
        'ledger',
        `damaged from entry ${String(quarantine['index'])} on: ${String(quarantine['what'])}`,
        'nothing is recorded until an operator has restored it',
      )
    : well('ledger', 'not in quarantine');
};

const examineHeartbeat = ({ freshness }: Client): Finding => {
  const now = Date.now();
  const { withheld } = freshness;
  const says = `its checkpoint was the newest ${sayTime(freshness, now)}`;
  if (withheld !== null)
    return wrong(
      'heartbeat',
      `${says}; it says no more since, for \`${withheld}\``,
      'whoever runs it looks at its log, its disks and its clock',
    );
  return refuseOldServer(freshness, now) === undefined
    ? well('heartbeat', says)
    : doubtful(
        'heartbeat',
        says,
        'the server may be hiding something, or a clock is wrong: compare the clocks, and checkpoints with other people',
      );
};

// To the second, which is what the header holds; enough to see a clock that signatures would be refused for.
const examineClock = async (server: string): Promise<Finding> => {
  const sent = Date.now();
  const response = await fetch(`${server}/livez`, { redirect: 'error', signal: AbortSignal.timeout(10_000) }).catch(
    () => undefined,
  );
  const date = Date.parse(response?.headers.get('date') ?? '');
  if (Number.isNaN(date)) return doubtful('clock', 'the server does not tell its time', 'compare the clocks yourself');
  const skew = Math.round((date - (sent + Date.now()) / 2) / 1000);
  return Math.abs(skew) * 1000 <= skewMs
    ? well('clock', `the server's clock and yours are ${Math.abs(skew)} s apart`)
    : wrong(
        'clock',
        `the server's clock is ${Math.abs(skew)} s ${skew > 0 ? 'ahead of' : 'behind'} yours`,
        'set the one that is wrong: locks and expiry go by time',
      );
};

const examineAccess = async (client: Client, options: ClientOptions): Promise<readonly Finding[]> => {
  const findings: Finding[] = [];
  if (client.anchor.trial)
    findings.push(
      doubtful(
        'kind',
        'a trial ledger',
        'verbs accept it with --allow-trial; it proves nothing about a real organisation',
      ),
    );
  else
    findings.push(
      doubtful(
        'kind',
        'a real ledger, whose formats are still v0: a later release may read them differently',
        'verbs that verify ask for --accept-v0, or for COUNTERSIGN_ACCEPT_V0=1 in the environment',
      ),
    );
  if (options.key !== undefined) {
    const principal = client.signer === undefined ? undefined : await client.principal();
    findings.push(
      principal?.ok === true
        ? well('key', `your key signs as ${principal.value}`)
        : wrong(
            'key',
            principal === undefined ? `\`${options.key}\` cannot be opened` : principal.refusal.message,
            principal?.refusal.help ?? 'name a private key file, or `agent`',
          ),
    );
  }
  const figures = await client.getText('/metrics');
  const untaken = figures.ok ? /^countersign_alerts_undelivered (\d+)$/m.exec(figures.value)?.[1] : undefined;
  if (untaken !== undefined && untaken !== '0') findings.push(alertsFinding(Number(untaken)));
  const roster = await client.get('/v1/roster');
  findings.push(
    roster.ok
      ? well('reading', 'you may read')
      : wrong('reading', roster.refusal.message, roster.refusal.help ?? 'give --token-file, or --key to sign in with'),
  );
  return findings;
};
