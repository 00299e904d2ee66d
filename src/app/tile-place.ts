// SPDX-License-Identifier: Apache-2.0

/** Where the static resources of a ledger are read from (FORMATS §12): a folder, a server, a bucket. */
export type TileSource = {
  /** For messages: what people know it by. */
  readonly name: string;
  /** Undefined when there is no such resource. Rejects with a `StoreFailure` when it cannot be told. */
  readonly get: (path: string) => Promise<Uint8Array | undefined>;
  /** Every path that begins with the prefix, in order; nothing from a source that cannot list. */
  readonly list: (prefix: string) => Promise<readonly string[]>;
};

/**
 * Where they are kept. The port asks for no more than object storage can do: whole resources, each there or not, with
 * no state between two calls. Every method may reject with a `StoreFailure`, and with nothing else.
 */
export type TilePlace = TileSource & {
  /** Durable when it resolves; a reader sees the old bytes or the new ones, never a part. */
  readonly put: (path: string, bytes: Uint8Array) => Promise<void>;
  /** Nothing happens when it is gone already. */
  readonly remove: (path: string) => Promise<void>;
};

/** Paths of a ledger folder that are no tiles. */
export const checkpointPath = 'checkpoint';
export const logKeyPath = 'log-key';
export const blobPath = (digest: string): string => `blob/${digest.slice('sha256:'.length)}`;
