// SPDX-License-Identifier: Apache-2.0
import { readFileSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { smtpSender } from '../adapters/smtp/smtp-sender.ts';
import { readWebhookTarget } from '../adapters/webhook/webhook-address.ts';
import { webhookSender } from '../adapters/webhook/webhook-sender.ts';
import { parseWebhookSecrets } from '../adapters/webhook/webhook-signature.ts';
import type { Delivery } from '../app/delivery.ts';
import { sha256Hex } from '../crypto/digest.ts';
import { ok, refuse, type Refused, type Result } from '../kernel/refusal.ts';
import { alertKinds, type NoticesConfig } from './notices-config.ts';
import type { Notice } from './notices-plan.ts';
import { mailText, noticeId, webhookPayload, type NoticeScene } from './notices-text.ts';
import { shellWord } from './page-request-sign.ts';
import { lineInConfig } from './server-config.ts';

/** One way out. `name` is stable and tells no address, because it stands in logs and in the store. */
export type Channel = {
  readonly name: string;
  /** Whom this channel writes to for a notice: one message each. Empty when it is not for this channel. */
  readonly recipients: (notice: Notice) => readonly string[];
  readonly deliver: (notice: Notice, recipient: string, scene: NoticeScene, signal: AbortSignal) => Promise<Delivery>;
  readonly close: () => void;
};

/** Opens what the configuration names. Files are relative to `dir`. `timeoutMs` is for one message. */
export const openChannels = (config: NoticesConfig, dir: string, timeoutMs = 10_000): Result<readonly Channel[]> => {
  const channels: Channel[] = [];
  for (const [at, webhook] of config.webhooks.entries()) {
    const channel = webhookChannel(webhook, { dir, at }, timeoutMs);
    if (!channel.ok) return channel;
    channels.push(channel.value);
  }
  if (config.smtp !== undefined) {
    const channel = mailChannel(config.smtp, config, dir, timeoutMs);
    if (!channel.ok) return channel;
    channels.push(channel.value);
  }
  return ok(channels);
};

/** A file that the configuration names: where it lies, and which field names it. */
type NamedFile = { readonly dir: string; readonly file: string; readonly field: readonly string[] };

// From where the server was started, so that it can be pasted; an absolute path stays as it is.
const pathOf = ({ dir, file }: NamedFile): string => (isAbsolute(file) ? file : join(dir, file));

const nameOf = (named: NamedFile): string => {
  const line = lineInConfig(named.dir, named.field);
  return `\`${pathOf(named)}\`${line === undefined ? '' : ` (countersign.yaml, line ${line})`}`;
};

const wrongFile = (named: NamedFile, why: string, help: string): Refused =>
  refuse('config-malformed', 'H9', `${nameOf(named)} ${why}`, { file: pathOf(named) }, help);

const readText = (named: NamedFile, secret: boolean): Result<string> => {
  const path = pathOf(named);
  try {
    // A secret that others may read is none; a group may be what a secret is handed to a service by.
    if (secret && process.platform !== 'win32' && (statSync(path).mode & 0o007) !== 0)
      return refuse(
        'file-too-open',
        'H8',
        `others on this machine may open ${nameOf(named)}`,
        { file: path },
        `run \`chmod 600 ${shellWord(path)}\``,
      );
    return ok(readFileSync(path, 'utf8'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'is not there' : `cannot be read (${code ?? 'unreadable'})`;
    return wrongFile(
      named,
      why,
      'paths are taken from the data folder on; docs/operations.md, section Notices, tells what belongs in it',
    );
  }
};

const everybody = 'all';

const webhookChannel = (
  webhook: NoticesConfig['webhooks'][number],
  { dir, at }: { readonly dir: string; readonly at: number },
  timeoutMs: number,
): Result<Channel> => {
  const target = readWebhookTarget(webhook.url, webhook['allow-networks']);
  if (!target.ok) return target;
  const named = { dir, file: webhook['secret-file'], field: ['notices', 'webhooks', String(at), 'secret-file'] };
  const text = readText(named, true);
  if (!text.ok) return text;
  const secrets = parseWebhookSecrets(text.value);
  if (!secrets.ok) return wrongFile(named, `is wrong: ${secrets.refusal.message}`, secrets.refusal.help ?? '');
  const sender = webhookSender({ target: target.value, secrets: secrets.value, timeoutMs });
  const wanted = webhook.events;
  return ok({
    name: `webhook-${sha256Hex(target.value.url.href).slice(0, 12)}`,
    // SPEC M1: an alert comes whatever the channel asked for.
    recipients: ({ kind }) =>
      wanted === undefined || wanted.includes(kind) || alertKinds.includes(kind) ? [everybody] : [],
    deliver: (notice, _recipient, scene, signal) =>
      sender.send({ id: noticeId(scene, notice), payload: webhookPayload(notice, scene) }, signal),
    close: () => {},
  });
};

/** Stands for the mailboxes under `alerts`, in the place of a person's id. */
const alertList = 'alerts';

const mailChannel = (
  smtp: NonNullable<NoticesConfig['smtp']>,
  { addresses, alerts }: NoticesConfig,
  dir: string,
  timeoutMs: number,
): Result<Channel> => {
  const read = (field: 'password-file' | 'ca-file', secret: boolean): Result<string | null> => {
    const file = smtp[field];
    return file === undefined ? ok(null) : readText({ dir, file, field: ['notices', 'smtp', field] }, secret);
  };
  const password = read('password-file', true);
  if (!password.ok) return password;
  const ca = read('ca-file', false);
  if (!ca.ok) return ca;
  const sender = smtpSender({
    host: smtp.host,
    port: smtp.port,
    from: smtp.from,
    user: smtp.user ?? null,
    password: password.value === null ? null : password.value.replace(/\r?\n$/, ''),
    starttls: smtp.starttls,
    timeoutMs,
    ...(ca.value === null ? {} : { ca: ca.value }),
  });
  const addressOf = (person: string): string | undefined =>
    Object.hasOwn(addresses, person) ? addresses[person] : undefined;
  return ok({
    name: 'mail',
    recipients: ({ kind, to }) => {
      const known = to.filter((person) => addressOf(person) !== undefined);
      if (!alertKinds.includes(kind)) return known;
      const told = alerts.length > 0 ? [...known, alertList] : known;
      // An alert that concerns nobody whose address is known goes to everybody whose is.
      return told.length > 0 ? told : Object.keys(addresses);
    },
    deliver: (notice, recipient, scene) => {
      const address = addressOf(recipient);
      const to = recipient === alertList ? alerts : address === undefined ? [] : [address];
      const id = `${noticeId(scene, notice)}.${recipient}`.replaceAll('_', '-');
      return sender.send({ id, to, ...mailText(notice, scene) });
    },
    close: sender.close,
  });
};
