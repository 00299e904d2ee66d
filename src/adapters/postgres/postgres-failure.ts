// SPDX-License-Identifier: Apache-2.0
import { refuse, type Refusal } from '../../kernel/refusal.ts';
import { StoreFailure } from '../../ledger/store.ts';

type Outcome = StoreFailure['outcome'];

// https://www.postgresql.org/docs/current/errcodes-appendix.html
const sqlStateOf = (error: unknown): string | undefined => {
  const { code, severity } = (error ?? {}) as { code?: unknown; severity?: unknown };
  return typeof code === 'string' && typeof severity === 'string' ? code : undefined;
};

const constraintOf = (error: unknown): string => {
  const { constraint } = (error ?? {}) as { constraint?: unknown };
  return typeof constraint === 'string' ? constraint : '';
};

// Several addresses of one name that all fail come as one error without words of its own.
export const messageOf = (error: unknown): string => {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, ' ').slice(0, 300);
};

/**
 * Whether the connection is gone, or may be: the server said goodbye, or it was no answer of the server at all. What a
 * statement came to is then unknown.
 */
export const isLoss = (error: unknown): boolean => {
  const state = sqlStateOf(error);
  if (state === undefined) return !(error instanceof StoreFailure);
  // Connection trouble, shutting down, idle for too long, and a primary that has become read-only.
  return /^(?:08|57P|25P0[34]|25006|53300)/.test(state);
};

/** Whether the server has refused a transaction as a whole, so that nothing of it stands. */
export const isUndone = (error: unknown): boolean => /^(?:23|40(?!003)|25P02)/.test(sqlStateOf(error) ?? '');

/** Two start at once and make the same table: whoever comes second tries again and finds it. */
export const isRace = (error: unknown): boolean => {
  const state = sqlStateOf(error) ?? '';
  return (
    ['23505', '42P06', '42P07', '40P01', '40001', '55P03'].includes(state) || /concurrently/.test(messageOf(error))
  );
};

const restore = 'run `countersign ledger fsck`, then restore the database from a copy';

const nameFailure = (error: unknown, place: string): Refusal => {
  const detail = messageOf(error);
  const state = sqlStateOf(error);
  const facts = { store: place, detail, ...(state === undefined ? {} : { state }) };
  const say = (code: Refusal['code'], what: string, help: string): Refusal =>
    refuse(code, 'L8', `the store \`${place}\` ${what}`, facts, help).refusal;
  if (isLoss(error))
    return say(
      'store-unreachable',
      `cannot be reached: ${detail}`,
      'look at PostgreSQL and the network; then try again',
    );
  switch (state) {
    case 'XX001':
    case 'XX002':
      return say('store-corrupt', `is damaged: ${detail}`, restore);
    // A table that was there when the store was opened.
    case '42P01':
    case '42703':
      return say('store-corrupt', `has not the tables that were made: ${detail}`, restore);
    case '23505':
      return constraintOf(error) === 'entries_pkey'
        ? say('store-corrupt', 'is damaged: an entry stands behind the head', restore)
        : say('store-io', `failed: ${detail}`, 'look at the log of PostgreSQL');
    case '53100':
      return say('store-full', 'has a full disk', 'free space there; nothing was written');
    case '22012':
      return refuse(
        'store-conflict',
        'L6',
        'the ledger has another head than was expected',
        facts,
        'somebody else appended; try again',
      ).refusal;
    case '55P03':
    case '57014':
    case '40001':
    case '40P01':
      return say('store-busy', `took too long: ${detail}`, 'try again; look at what else holds its locks');
    case '28000':
    case '28P01':
    case '3D000':
    case '42501':
    case '3F000':
      return say(
        'store-unfit',
        `does not let us in: ${detail}`,
        'look at user, password, database and what was granted',
      );
    default:
      return say('store-io', `failed: ${detail}`, 'look at the log of PostgreSQL, its disk and its settings');
  }
};

/** What PostgreSQL said, as the port says it. Its errors name statements and limits, never a password. */
export const failureOf = (error: unknown, place: string, outcome: Outcome): StoreFailure =>
  error instanceof StoreFailure ? error : new StoreFailure(nameFailure(error, place), outcome, error);

/** A row that cannot be what we wrote. */
export const corrupt = (place: string, what: string): StoreFailure =>
  new StoreFailure(
    refuse('store-corrupt', 'L8', `the store \`${place}\` is damaged: ${what}`, { store: place, detail: what }, restore)
      .refusal,
    'nothing-written',
  );

/** A database that must not be decided on as it is. */
export const unfit = (place: string, what: string, help: string): StoreFailure =>
  new StoreFailure(
    refuse('store-unfit', 'L15', `the store \`${place}\` ${what}`, { store: place }, help).refusal,
    'nothing-written',
  );

/** What is acknowledged would lie on one machine only. */
export const notSynchronous = (place: string, what: string): StoreFailure =>
  new StoreFailure(
    refuse(
      'store-not-synchronous',
      'L15',
      `the store \`${place}\` ${what}`,
      { store: place },
      'attach a synchronous standby; or say `single: true`, and know that what was acknowledged is lost with that machine',
    ).refusal,
    'nothing-written',
  );

export const unreachable = (place: string, detail: string, cause?: unknown): StoreFailure =>
  new StoreFailure(
    refuse(
      'store-unreachable',
      'L15',
      `the store \`${place}\` cannot be reached: ${detail}`,
      { store: place, detail },
      'look at PostgreSQL and the network; then try again',
    ).refusal,
    'nothing-written',
    cause,
  );
