// SPDX-License-Identifier: Apache-2.0
import { clearUnfinished, folderPlace } from '../adapters/files/folder-place.ts';
import { startMirror, type Mirror } from '../app/mirror.ts';
import type { Remembered } from '../app/remembered.ts';
import { checkpointPath, type TilePlace } from '../app/tile-place.ts';
import { openTrustStore } from '../client/trust-store.ts';
import { noteVerifier } from '../crypto/signed-note.ts';
import { BrokenInvariant } from '../kernel/refusal.ts';
import { tenant, type RunningLedger } from './ledger-folder.ts';
import type { RequestLog } from './request-log.ts';
import { identityOf } from './server-context.ts';

/** A mirror that does not answer holds up the start for as long as this, and no longer. */
const answerWithinMs = 5000;

/** The folder of a mirror. Only this server writes there: what an earlier one left half written goes first. */
export const mirrorPlace = (folder: string): TilePlace => {
  const place = folderPlace(folder);
  let cleared: Promise<void> | undefined;
  return {
    ...place,
    put: async (path, bytes) => {
      cleared ??= clearUnfinished(folder).catch(() => undefined);
      await cleared;
      return place.put(path, bytes);
    },
  };
};

/** The checkpoint that a mirror holds, to hold the ledger against at its start; nothing when it cannot be asked. */
export const rememberedBy = async (place: TilePlace): Promise<readonly Remembered[]> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), answerWithinMs);
  });
  // What goes wrong is said when the mirror is first brought up to date.
  const note = await Promise.race([place.get(checkpointPath).catch(() => undefined), late]);
  clearTimeout(timer);
  return note === undefined ? [] : [{ what: 'mirror', note: Buffer.from(note).toString('utf8') }];
};

/** Keeps the mirror of a running ledger up to date. */
export const mirrorLedger = (
  place: TilePlace,
  { dir, store, sequencer, signer }: RunningLedger,
  log: RequestLog,
): Mirror => {
  const logKey = noteVerifier(signer.name, signer.publicKey);
  if (!logKey.ok) throw new BrokenInvariant(logKey.refusal.message);
  return startMirror({
    place,
    store,
    tenant,
    ledger: {
      tree: sequencer.tree,
      signedHead: () => sequencer.signedHead(),
      quarantine: () => sequencer.quarantine(),
      subscribe: (listener) => sequencer.subscribe(listener),
      look: () => sequencer.look(),
      isolate: (damage) => sequencer.isolate(damage),
    },
    logKey: logKey.value,
    keepEvidence: (notes) => openTrustStore(dir).keepEvidence(identityOf(sequencer.state()).ledger, notes),
    log: log.event,
  });
};
