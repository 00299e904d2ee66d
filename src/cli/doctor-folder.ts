// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fsck } from '../app/fsck.ts';
import { markFile } from '../app/mark.ts';
import { encodeBase64 } from '../kernel/base64.ts';
import { readCheckpointNote } from '../ledger/checkpoint.ts';
import { StoreFailure } from '../ledger/store.ts';
import { lifecycle } from '../lifecycle/lifecycle.ts';
import { namedText } from '../lifecycle/named-texts.ts';
import { readLosses } from '../server/accepted-loss.ts';
import { logKeyInAgent } from '../server/log-agent.ts';
import { undeliveredView } from '../server/notices.ts';
import { findLogKey, logKeyFile, openLogKey } from '../server/open-log-key.ts';
import { readServerConfig } from '../server/server-config.ts';
import { holdsLedger } from '../server/store-config.ts';
import { readTokens } from '../server/tokens.ts';
import { alertsFinding, doubtful, unseen, well, wrong, type Finding } from './doctor-finding.ts';
import { isLost, openLedgerSource, readIdentity, type LedgerSource } from './ledger-source.ts';

const soonMs = 7 * 86_400_000;
const skewMs = 2000;

/** Looks at a server's data folder. The ledger itself is only read when no server has it. */
export const examineFolder = async (
  dir: string,
  mark: string | undefined,
  alone: boolean,
): Promise<readonly Finding[]> => {
  const config = readServerConfig(dir);
  if (!config.ok && !existsSync(join(dir, 'ledger')))
    return [wrong('settings', config.refusal.message, config.refusal.help)];
  if (!holdsLedger(dir, config.ok ? config.value.store : undefined))
    return [wrong('folder', `there is no ledger in \`${dir}\``, 'found one with `countersign init`, or look at --dir')];
  const source = await openLedgerSource(dir, mark);
  const ledger = source.ok
    ? await examineLedger(source.value, dir)
    : source.refusal.code === 'store-locked'
      ? await askServer(dir, alone)
      : [wrong('ledger', source.refusal.message, source.refusal.help)];
  return [
    ...ledger,
    ...(source.ok ? [] : [await logKeyAlone(dir)]),
    ...examineMark(dir, mark),
    ...examineLosses(dir),
    ...examineMirror(dir, mark),
    ...examineTokens(dir),
    ...examineConfiguration(dir),
  ];
};

// A server holds the folder: what it says of itself is asked where its address is known, and the rest stays unseen.
const askServer = async (dir: string, alone: boolean): Promise<readonly Finding[]> => {
  const address = alone ? addressOf(dir) : undefined;
  return [
    unseen(
      'ledger',
      'a server is running on it, so entries and alerts were not looked at',
      alone && address === undefined
        ? 'give its address as well, to have it asked: --server URL'
        : 'stop it to have everything looked at: countersign ledger replay',
    ),
    ...(address === undefined ? [] : [await (await import('./doctor-server.ts')).examineReady(address)]),
  ];
};

const addressOf = (dir: string): string | undefined => {
  const config = readServerConfig(dir);
  if (!config.ok) return undefined;
  const { listen, tls, 'public-url': publicUrl } = config.value;
  if (publicUrl !== undefined) return publicUrl;
  if (listen === undefined || listen.port === 0) return undefined;
  const host = /^(0\.0\.0\.0|::)$/.test(listen.host) ? '127.0.0.1' : listen.host;
  return `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${listen.port}`;
};

const logKeyAlone = async (dir: string): Promise<Finding> => {
  const key = findLogKey(dir);
  const there = key.ok && 'agent' in key.value ? await logKeyInAgent(key.value.agent) : key;
  if (!there.ok) return wrong('log key', there.refusal.message, there.refusal.help);
  return well('log key', key.ok && 'agent' in key.value ? 'the agent holds it' : 'nobody else may read it');
};

const examineLedger = async (source: LedgerSource, dir: string): Promise<readonly Finding[]> => {
  try {
    const identity = await readIdentity(source);
    if (!identity.ok && isLost(identity.refusal))
      return [wrong('ledger', identity.refusal.message, identity.refusal.help)];
    if (!identity.ok) return [wrong('ledger', `damaged from entry 0 on: ${identity.refusal.message}`, restore)];
    const { logKey, origin, trial } = identity.value;
    const report = await fsck(source.store, source.tenant, lifecycle, logKey, {
      origin,
      namesText: namedText,
      ...(source.mark === undefined ? {} : { mark: source.mark }),
    });
    if (!report.ok) return [wrong('ledger', report.refusal.message, report.refusal.help)];
    const { sound, damage, entries, blobs, time } = report.value;
    return [
      sound
        ? well('ledger', `sound: ${entries} entries, ${blobs} blobs`)
        : wrong('ledger', `damaged from entry ${damage?.index ?? 0} on: ${damage?.what ?? ''}`, restore),
      trial
        ? doubtful(
            'kind',
            'a trial, which proves nothing about a real organisation',
            'found a real one with `countersign init draft` when you mean it',
          )
        : well('kind', 'founded by its founders'),
      await examineLogKey(dir, logKey.name, Buffer.from(logKey.publicKey)),
      examineClock(time),
      ...(await examineAlerts(source)),
    ];
  } catch (error) {
    if (error instanceof StoreFailure) return [wrong('ledger', error.refusal.message, error.refusal.help)];
    throw error;
  } finally {
    await source.store.close();
  }
};

const pageSize = 500;

const examineAlerts = async ({ store, tenant }: LedgerSource): Promise<readonly Finding[]> => {
  let [count, after] = [0, ''];
  for (;;) {
    const page = await store.viewRows(tenant, undeliveredView, after, pageSize);
    count += page.length;
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize) return count === 0 ? [] : [alertsFinding(count)];
    after = last.key;
  }
};

const restore = 'put the right files back; until then a server of it reads and exports, and appends nothing';

const examineLogKey = async (dir: string, origin: string, publicKey: Uint8Array): Promise<Finding> => {
  const key = findLogKey(dir);
  // An agent is asked for one signature: that of the empty tree.
  const signer = key.ok ? await openLogKey(origin, key.value) : key;
  if (!signer.ok) return wrong('log key', signer.refusal.message, signer.refusal.help);
  if (encodeBase64(signer.value.publicKey) !== encodeBase64(publicKey))
    return wrong(
      'log key',
      'it is not the key that the genesis names',
      'put back the log key that belongs to this ledger',
    );
  if (!('ask' in signer.value)) return well('log key', 'it is the one of the genesis, and nobody else may read it');
  return existsSync(logKeyFile(dir))
    ? doubtful(
        'log key',
        'it signs in an agent, and a file `log.key` still lies in the folder',
        'put the file away, or destroy it: whoever has it can sign checkpoints',
      )
    : well('log key', 'it is the one of the genesis, and signs in its agent');
};

const examineClock = (last: string | null): Finding => {
  const ahead = last === null ? 0 : Date.parse(last) - Date.now();
  return ahead <= skewMs
    ? well('clock', `this machine's clock is not behind the last entry`)
    : wrong(
        'clock',
        `this machine's clock is ${Math.round(ahead / 1000)} s behind the last entry`,
        'set the clock; commands are refused until then',
      );
};

const examineMark = (dir: string, given: string | undefined): readonly Finding[] => {
  const file = given ?? join(dir, 'mark', 'main.json');
  const mark = markFile(file).read();
  if (!mark.ok) return [wrong('mark', mark.refusal.message, mark.refusal.help)];
  if (mark.value === undefined)
    return [
      wrong(
        'mark',
        `the mark \`${file}\` is gone`,
        'find out who took it; if it was you, look what is missing (`countersign ledger restore`), then start once with --accept-loss SIZE',
      ),
    ];
  const at = `at size ${mark.value.size}`;
  const config = readServerConfig(dir);
  if (config.ok && config.value.store !== undefined) return [well('mark', `${at}; the ledger lies in PostgreSQL`)];
  const apart = statSync(file).dev !== statSync(join(dir, 'ledger')).dev;
  return [
    apart
      ? well('mark', `${at}, on another device than the ledger`)
      : doubtful(
          'mark',
          `${at}, on the same device as the ledger: whoever puts an old copy back takes both back`,
          'keep it elsewhere: countersign serve --mark FILE',
        ),
  ];
};

const examineMirror = (dir: string, mark: string | undefined): readonly Finding[] => {
  const config = readServerConfig(dir);
  const mirror = config.ok ? config.value.mirror : undefined;
  if (mirror === undefined) return [];
  const file = join(mirror, 'checkpoint');
  const held = existsSync(file) ? readCheckpointNote(readFileSync(file, 'utf8')) : undefined;
  if (held?.ok !== true)
    return [
      wrong(
        'mirror',
        `\`${mirror}\` holds no checkpoint that can be read`,
        'look whether its disk is there; a new mirror is made when the server starts',
      ),
    ];
  const marked = markFile(mark ?? join(dir, 'mark', 'main.json')).read();
  const behind = (marked.ok ? (marked.value?.size ?? 0) : 0) - held.value.size;
  return [
    behind > 0
      ? doubtful('mirror', `${behind} entries behind the mark`, 'it catches up while a server runs; look at its disk')
      : well('mirror', `at size ${held.value.size}`),
  ];
};

const examineLosses = (dir: string): readonly Finding[] => {
  const losses = readLosses(dir);
  if (!losses.ok) return [wrong('losses', losses.refusal.message, losses.refusal.help)];
  return losses.value.map(({ accepted_at, size }) =>
    doubtful(
      'losses',
      `at ${accepted_at} the ledger was started without its mark, and said to end at size ${size}`,
      'compare with receipts and checkpoints of that time: countersign ledger restore --remembered FILE',
    ),
  );
};

const examineTokens = (dir: string): readonly Finding[] => {
  const tokens = readTokens(dir);
  if (!tokens.ok) return [wrong('tokens', tokens.refusal.message, tokens.refusal.help)];
  const [now, soon] = [new Date().toISOString(), new Date(Date.now() + soonMs).toISOString()];
  const ending = tokens.value.filter(({ expires_at }) => expires_at > now && expires_at <= soon);
  const valid = tokens.value.filter(({ expires_at }) => expires_at > now);
  if (ending.length > 0)
    return ending.map(({ id, label, expires_at }) =>
      doubtful(
        'tokens',
        `token ${id} for ${label} ends at ${expires_at}`,
        'make another with `countersign token create` before then',
      ),
    );
  return [well('tokens', `${valid.length} valid, none ends within 7 days`)];
};

const examineConfiguration = (dir: string): readonly Finding[] => {
  const config = readServerConfig(dir);
  if (!config.ok) return [wrong('settings', config.refusal.message, config.refusal.help)];
  const { notices } = config.value;
  return [
    well('settings', 'countersign.yaml reads well, or is not there'),
    notices !== undefined && (notices.webhooks.length > 0 || notices.smtp !== undefined)
      ? well('notices', `${notices.webhooks.length} webhooks${notices.smtp === undefined ? '' : ' and mail'} are told`)
      : doubtful(
          'notices',
          'no channel is configured: nobody is told of an emergency or of a damaged ledger',
          'add `notices:` to countersign.yaml in the data folder (docs/operations.md)',
        ),
  ];
};
