// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { digestOf } from '../crypto/digest.ts';
import { noteVerifier, parseVerifierKey, type NoteVerifier } from '../crypto/signed-note.ts';
import { decodeBase64 } from '../kernel/base64.ts';
import { parseCanonical } from '../kernel/canonical-json.ts';
import { ok, refuse, type JsonObject, type JsonValue, type Refused, type Result } from '../kernel/refusal.ts';
import { isObject } from '../kernel/shape.ts';
import type { WitnessPolicy } from '../ledger/witness-policy.ts';
import { entryAnswer, ledgerInfoAnswer, readAnswer, type LedgerAnswer } from './answers.ts';
import { acceptCheckpoint, type LedgerAnchor, type SeenCheckpoint } from './history.ts';
import { callBytes, callJson, callText, malformedAnswer } from './server-call.ts';
import { mayComeYet, readFreshness, refuseOldServer, type ServerFreshness } from './server-freshness.ts';
import { openSession } from './session.ts';
import type { Signer } from './signer.ts';
import { openSessionStore, openTrustStore, type TrustStore } from './trust-store.ts';

export type ConnectOptions = {
  /** `https://gate.example.org`; `http:` on this machine only. */
  readonly server: string;
  /** Digest of the genesis; may be left out once this home knows the server. */
  readonly pin?: string | undefined;
  readonly signer?: Signer | undefined;
  /** `person:…` or `machine:…`; found by the key when left out. */
  readonly as?: string | undefined;
  /** A token for reading. */
  readonly token?: string | undefined;
  /** Folder of what this machine remembers. */
  readonly home: string;
  readonly allowTrial?: boolean | undefined;
  /** Takes formats of version v0 outside trial ledgers. */
  readonly acceptV0?: boolean | undefined;
  /** Whom one's own policy asks for, so that freshness is judged by their clocks and not by the log's. */
  readonly witnesses?: WitnessPolicy | undefined;
  /** How old the server's newest head may be; a server whose head is older, or says no time, is refused (SPEC Y12). */
  readonly freshWithinMs?: number | undefined;
};

/** A server that showed the ledger behind the pin, with no contradiction to what was seen of it before. */
export type Client = {
  readonly server: string;
  readonly anchor: LedgerAnchor;
  readonly home: string;
  readonly allowTrial: boolean;
  readonly acceptV0: boolean;
  readonly signer: Signer | undefined;
  /** As the server says it; what counts in it was checked. */
  readonly info: LedgerAnswer;
  /** When the server's head was the newest at this contact, and by whose clock. */
  readonly freshness: ServerFreshness;
  /** The newest checkpoint of this contact, verified: what a vote names as seen. */
  readonly seen: () => SeenCheckpoint;
  /** Takes a checkpoint from anywhere: verified, consistent, remembered; or refused loudly. */
  readonly accept: (note: string) => Promise<Result<SeenCheckpoint>>;
  readonly get: (path: string) => Promise<Result<JsonValue>>;
  readonly getText: (path: string) => Promise<Result<string>>;
  readonly getBytes: (path: string) => Promise<Result<Uint8Array>>;
  /** POST, sent again after a passing failure: the key makes that safe. `asReader` sends the session along. */
  readonly post: (path: string, body: JsonObject, options: PostOptions) => Promise<Result<JsonValue>>;
  /** Who signs here. */
  readonly principal: () => Promise<Result<string>>;
  /** Opens a new session with the key; gives its token. */
  readonly signIn: () => Promise<Result<string>>;
};
export type PostOptions = { readonly idempotencyKey: string; readonly asReader?: boolean };

/** How often a server is asked for the word of one's witnesses about the head that it shows, and with what pause. */
const mostAsked = 12;
const askAgainMs = 700;

/** The server's address without a path; plain HTTP only where no wire is. */
export const readServerUrl = (text: string): Result<string> => {
  const bad = (why: string) =>
    refuse(
      'server-address',
      'W7',
      `\`${text.slice(0, 200)}\` is no server address: ${why}`,
      {},
      'write it like https://gate.example.org',
    );
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) return bad('it is no http address');
  if (url.username !== '' || url.password !== '') return bad('it holds a password');
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') return bad('it has more than a host');
  const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
  return url.protocol === 'http:' && !loopback ? bad('beyond this machine it must be https') : ok(url.origin);
};

/**
 * Meets a server: it must speak for the ledger behind the pin, its checkpoint must be signed by that genesis's log key
 * and continue what this machine has seen (SPEC W1). Nothing is asked or signed before that.
 */
export const connect = async (options: ConnectOptions): Promise<Result<Client>> => {
  const server = readServerUrl(options.server);
  if (!server.ok) return server;
  const store = openTrustStore(options.home);
  const pin = choosePin(store, server.value, options.pin);
  if (!pin.ok) return pin;
  const info = await askLedger(server.value, pin.value);
  if (!info.ok) return info;
  const reading = readingOf(options, server.value, info.value);
  const anchor = await findAnchor(store, server.value, pin.value, reading);
  if (!anchor.ok) return anchor;
  if (anchor.value.trial && options.allowTrial !== true)
    return refuse(
      'trial-not-allowed',
      'W1',
      `the ledger of \`${server.value}\` is a trial, which one person may have started alone`,
      { ledger: pin.value },
      'add `--allow-trial` where you only try things out',
    );
  const accept = (note: string) => acceptCheckpoint({ server: server.value, anchor: anchor.value, store }, note);
  const first = await accept(info.value.checkpoint);
  if (!first.ok) return first;
  const { size } = first.value.checkpoint;
  const { freshWithinMs, witnesses } = options;
  // The note with the time may be of a smaller size, where witnesses have not come to the newest yet.
  let { heartbeat } = info.value;
  for (let asked = 1; mayComeYet(heartbeat, size, witnesses) && asked < mostAsked; asked += 1) {
    await sleep(askAgainMs);
    const again = await askLedger(server.value, pin.value);
    if (!again.ok) return again;
    ({ heartbeat } = again.value);
  }
  const beat = heartbeat?.note ?? null;
  const held = beat === null ? first : await accept(beat);
  if (!held.ok) return held;
  const freshness = readFreshness(heartbeat, size, anchor.value.logKey, witnesses);
  if (!freshness.ok) return freshness;
  const stale = freshWithinMs === undefined ? undefined : refuseOldServer(freshness.value, Date.now(), freshWithinMs);
  if (stale !== undefined) return stale;
  let seen = held.value.checkpoint.size > size ? held.value : first.value;
  const acceptNewer = async (note: string): Promise<Result<SeenCheckpoint>> => {
    const accepted = await accept(note);
    if (accepted.ok && accepted.value.checkpoint.size >= seen.checkpoint.size) seen = accepted.value;
    return accepted;
  };
  return ok({
    server: server.value,
    anchor: anchor.value,
    home: options.home,
    allowTrial: options.allowTrial === true,
    acceptV0: options.acceptV0 === true,
    signer: options.signer,
    info: { ...info.value, heartbeat },
    freshness: freshness.value,
    seen: () => seen,
    accept: acceptNewer,
    ...reading,
  });
};

const askLedger = async (server: string, pin: string): Promise<Result<LedgerAnswer>> => {
  const info = readAnswer(ledgerInfoAnswer, await callJson({ server, method: 'GET', path: '/v1/ledger' }));
  if (!info.ok || info.value.ledger === pin) return info;
  const { ledger } = info.value;
  return refuse(
    'ledger-elsewhere',
    'W1',
    `\`${server}\` serves ledger \`${ledger}\`, the pin is \`${pin}\``,
    { ledger, pin },
    'this is another ledger: look at the address, and take the pin from a founder, never from the server',
  );
};

/** Reads a token from a file: one line. */
export const readTokenFile = (path: string): Result<string> => {
  try {
    const token = readFileSync(path, 'utf8').trim();
    if (/^[\x21-\x7e]{1,500}$/.test(token)) return ok(token);
    return refuse(
      'token-malformed',
      'W7',
      `\`${path}\` does not hold one token`,
      {},
      'let `countersign token create` write it',
    );
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    return refuse(
      'token-malformed',
      'W7',
      `token file \`${path}\` cannot be read (${why})`,
      {},
      'name the file that holds the token',
    );
  }
};

const choosePin = (store: TrustStore, server: string, given: string | undefined): Result<string> => {
  const known = store.read(server);
  if (!known.ok) return known;
  if (given !== undefined && !/^sha256:[0-9a-f]{64}$/.test(given))
    return refuse(
      'pin-missing',
      'W1',
      `\`${given.slice(0, 100)}\` is no pin`,
      {},
      'a pin is `sha256:` and 64 hex digits',
    );
  if (known.value === undefined)
    return given === undefined
      ? refuse(
          'pin-missing',
          'W1',
          `nothing says which ledger \`${server}\` must serve`,
          { server },
          'give `--pin sha256:…` once, as a founder told you; the server itself is not asked for it',
        )
      : ok(given);
  if (given === undefined || given === known.value.pin) return ok(known.value.pin);
  return refuse(
    'ledger-elsewhere',
    'W1',
    `pin \`${given}\` is not the one this machine knows \`${server}\` by, \`${known.value.pin}\``,
    { pin: given, known: known.value.pin },
    'ask a founder; if the server was founded anew, remove its record from `ledgers.json` in COUNTERSIGN_HOME',
  );
};

const tokenNotTaken = (server: string): Refused =>
  refuse(
    'sign-in-needed',
    'W7',
    `\`${server}\` does not know the token that was given, or not any more`,
    { server },
    'look at `--token-file` and COUNTERSIGN_TOKEN_FILE, which may belong to another server; or give `--key FILE`',
  );

type Reading = Pick<Client, 'get' | 'getText' | 'getBytes' | 'post' | 'principal' | 'signIn'>;

const readingOf = (options: ConnectOptions, server: string, info: Pick<LedgerAnswer, 'ledger' | 'tenant'>): Reading => {
  const sessions = openSessionStore(options.home);
  let session = openSession({ ...options, server, info, sessions });
  // A session may have ended, or been forgotten by a server that started anew: then once more, with a fresh one.
  const reading = async <T>(call: (token: string) => Promise<Result<T>>): Promise<Result<T>> => {
    const token = await session.token();
    if (!token.ok) return token;
    const answer = await call(token.value);
    if (answer.ok || answer.refusal.code !== 'sign-in-needed') return answer;
    if (options.token !== undefined && options.signer === undefined) return tokenNotTaken(server);
    // The key opens a session of its own, once: a token that was refused is not tried again.
    session = openSession({ ...options, token: undefined, server, info, sessions });
    const fresh = await session.renew();
    return fresh.ok ? call(fresh.value) : fresh;
  };
  return {
    get: (path) => reading((token) => callJson({ server, method: 'GET', path, token })),
    getText: (path) => reading((token) => callText({ server, method: 'GET', path, token })),
    getBytes: (path) => reading((token) => callBytes({ server, method: 'GET', path, token })),
    post: (path, body, { idempotencyKey, asReader = false }) =>
      asReader
        ? reading((token) => callJson({ server, method: 'POST', path, body, token, idempotencyKey }))
        : callJson({ server, method: 'POST', path, body, idempotencyKey }),
    principal: () => session.principal(),
    signIn: () => session.renew(),
  };
};

// What the genesis says is worth as much as the pin: its text has the pin's digest.
const findAnchor = async (
  store: TrustStore,
  server: string,
  pin: string,
  { get }: Reading,
): Promise<Result<LedgerAnchor>> => {
  const known = store.read(server);
  if (!known.ok) return known;
  const genesis = known.value?.pin === pin ? known.value.genesis : null;
  if (genesis !== null) {
    const logKey = parseVerifierKey(genesis.log_key);
    return logKey.ok ? ok({ pin, tenant: genesis.tenant, trial: genesis.trial, logKey: logKey.value }) : logKey;
  }
  const answer = readAnswer(entryAnswer, await get('/v1/ledger/entries/0'));
  if (!answer.ok) return answer;
  const entry = parseCanonical(answer.value.entry);
  const command = entry.ok && isObject(entry.value) ? entry.value['command'] : undefined;
  const statement = isObject(command) ? command['statement'] : undefined;
  if (typeof statement !== 'string' || digestOf(statement) !== pin)
    return refuse(
      'ledger-elsewhere',
      'W1',
      `the first entry that \`${server}\` shows is not the genesis behind the pin \`${pin}\``,
      { pin },
      'the server serves another ledger than it says; take the pin from a founder and look at the address',
    );
  return readAnchor(pin, statement);
};

const readAnchor = (pin: string, text: string): Result<LedgerAnchor> => {
  const parsed = parseCanonical(text);
  const { tenant, trial, nonce, log_key: key } = parsed.ok && isObject(parsed.value) ? parsed.value : {};
  const bytes = decodeBase64(typeof key === 'string' ? key : '');
  if (typeof tenant !== 'string' || typeof trial !== 'boolean' || typeof nonce !== 'string' || !bytes.ok)
    return malformedAnswer('the genesis has other fields than this version knows');
  const logKey: Result<NoteVerifier> = noteVerifier(`countersign${trial ? '-trial' : ''}/${nonce}`, bytes.value);
  return logKey.ok ? ok({ pin, tenant, trial, logKey: logKey.value }) : logKey;
};
