// SPDX-License-Identifier: Apache-2.0
import { rehash } from '../app/rehash.ts';
import { identified, tellFinding, unidentified, withFiles } from './ledger-finding.ts';
import { identify, looking, openLook, refuseFreshness, type LookAction } from './ledger-open.ts';
import { startProgress } from './progress.ts';

/** `ledger fsck`: every stored byte is hashed again; no rules, no signatures (SPEC L1, L7, L13). */
export const fsckLedger: LookAction = async (folder, options, command) => {
  refuseFreshness(folder, options, command);
  const opened = await openLook(folder, options);
  await looking(opened, async (source) => {
    const { store, tenant, mark, tile } = source;
    const found = await rehash({ tenant, store, mark, tile, onProgress: startProgress('Hashed') });
    const identity = await identify(source, options.pin);
    const { json, pin } = options;
    // Bytes that changed say more than what can then not be read.
    if (!identity.ok && found.damage === null)
      return tellFinding(opened.where, unidentified('fsck', identity.refusal, pin), [], json);
    const named = identity.ok ? identified(identity.value, pin) : { ledger: null, trial: null, pinned: null };
    const damage = withFiles(found.damage, identity.ok ? await source.checkFiles?.(identity.value.logKey) : undefined);
    const finding = { check: 'fsck' as const, ...found, ...named, sound: damage === null, damage };
    const hashed = `${found.entries} entries, ${found.blobs} blobs, ${found.texts} texts, ${found.tiles} stored tiles`;
    tellFinding(
      opened.where,
      finding,
      [
        ['hashed', hashed],
        ['not looked at', 'rules and signatures; `ledger replay` and `ledger verify` do'],
      ],
      json,
    );
  });
};
