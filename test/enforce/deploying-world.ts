// SPDX-License-Identifier: Apache-2.0
// A sealed world whose deployments name the digest of an artefact, and an executor that uses permits at the server.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { canonicalize } from '../../src/kernel/canonical-json.ts';
import type { JsonObject } from '../../src/kernel/refusal.ts';
import type { Envelope } from '../../src/kernel/statements.ts';
import { digestOf } from '../../src/crypto/digest.ts';
import { consistencyProof, inclusionProof } from '../../src/ledger/proof.ts';
import { formatTlogProof } from '../../src/ledger/tlog-proof.ts';
import { consumptionFor, type Drawn, type OnlineUse } from '../../src/enforce/enforce.ts';
import type { CompiledAction } from '../../src/policy/compiled.ts';
import { deployAction, minute, policyOf, sign, tier } from '../support/world.ts';
import { SealedWorld, slabOf } from '../verify/sealed-world.ts';

export const folderFor = (context: TestContext): string => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-enforce-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

export const artefact = (files: { readonly [path: string]: string }): string =>
  canonicalize(
    Object.fromEntries(Object.entries(files).map(([path, text]) => [path, Buffer.from(text).toString('base64')])),
  );

export const deploying = (over: Partial<CompiledAction> = {}) =>
  policyOf(
    deployAction({
      facts: {
        ...deployAction().facts,
        artifact: { type: 'digest', source: { kind: 'requester' }, max: null },
      },
      tiers: [
        tier({
          seats: [
            { name: 'platform', count: 1, group: 'group:platform' },
            { name: 'security', count: 1, group: 'group:security' },
          ],
        }),
      ],
      ...over,
    }),
  );

export class DeployingWorld extends SealedWorld {
  constructor(over: Partial<CompiledAction> = {}, time?: SealedWorld['time']) {
    super({ policy: deploying(over), ...(time === undefined ? {} : { time }) });
  }

  /** A permitted request to deploy this artefact. */
  deployment(content: string): string {
    return this.permitted(['linus', 'radia'], { facts: { service: 'shop', risk: 10, artifact: digestOf(content) } });
  }

  envelopeFor(
    { permit, challenge }: Pick<Drawn, 'permit' | 'challenge'>,
    by = 'deployer',
    over: JsonObject = {},
  ): Envelope {
    return sign({ ...consumptionFor(permit, challenge, this.time), ...over }, by);
  }

  /** What the server does on `POST /v1/permits/{id}/consume`. */
  consume(drawn: Pick<Drawn, 'permit' | 'challenge' | 'seen'>, by = 'deployer', over: JsonObject = {}): OnlineUse {
    this.accept({ type: 'ConsumePermit', envelope: this.envelopeFor(drawn, by, over), attachments: [] });
    return this.useAt(this.entries.length - 1, drawn.seen);
  }

  /** The use that an entry of this ledger shows, with consistency from what the point had seen. */
  useAt(index: number, seen: Drawn['seen'], size = this.entries.length): OnlineUse {
    const { slab } = slabOf(this.entries.slice(0, size));
    const proof = formatTlogProof({
      index,
      proof: inclusionProof(size, index, slab.hashAt),
      checkpoint: this.checkpoint(size).note,
    });
    const consistency =
      seen === null ? [] : consistencyProof(Math.min(seen.size, size), Math.max(seen.size, size), slab.hashAt);
    return { kind: 'online', entry: this.entries[index] ?? '', proof, consistency };
  }
}

export const offlineAction: Partial<CompiledAction> = {
  consume: 'offline',
  timing: { ...deployAction().timing, permit_valid_ms: 15 * minute },
};
