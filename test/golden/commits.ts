// SPDX-License-Identifier: Apache-2.0
// Facts that the core derives from raw commits, and a digest that an adapter read: who wrote a thing is never typed.
import { encodeCommitEvidence } from '../../src/request/commit-evidence.ts';
import { gitObjectId } from '../../src/crypto/git-object-id.ts';
import { formatArmoredSignature, signSsh } from '../../src/crypto/sshsig.ts';
import { deployAction, keyOf, minute, policyOf, rosterRecords, tier } from '../support/world.ts';
import { SealedWorld } from '../verify/sealed-world.ts';
import type { History } from './history.ts';

type Commit = { readonly id: string; readonly bytes: Uint8Array };

const base = '1b1c9e0f0d0c6a4d5f2f4f0e8f7d6c5b4a392817';

/** A raw commit as git writes it, signed by a key of the roster or by nobody. */
const commit = (parent: string, message: string, signer: string | null): Commit => {
  const who = 'Somebody <somebody@example.org> 1795445328 +0000';
  const tree = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';
  const head = `tree ${tree}\nparent ${parent}\nauthor ${who}\ncommitter ${who}\n`;
  const payload = `${head}\n${message}\n`;
  if (signer === null) return { id: gitObjectId('sha1', 'commit', Buffer.from(payload)), bytes: Buffer.from(payload) };
  const armored = formatArmoredSignature(signSsh({ key: keyOf(signer), message: payload, namespace: 'git' }));
  const header = armored.trimEnd().split('\n').join('\n ');
  const bytes = Buffer.from(`${head}gpgsig ${header}\n\n${message}\n`);
  return { id: gitObjectId('sha1', 'commit', bytes), bytes };
};

const policy = policyOf(
  deployAction({
    facts: {
      service: { type: 'name', source: { kind: 'requester' }, max: null },
      commit: { type: 'commit', source: { kind: 'requester' }, max: null },
      authors: { type: 'list<person>', source: { kind: 'adapter', adapter: 'git', argument: 'commit' }, max: 200 },
    },
    made_by: ['requester', 'facts.authors'],
    tiers: [tier()],
  }),
);

const live = (): SealedWorld => {
  const world = new SealedWorld({ policy, records: rosterRecords() });
  const asked = (commits: readonly Commit[], over: { head?: string; base?: string; gathered?: boolean } = {}) => {
    const head = over.head ?? commits.at(-1)?.id ?? base;
    const evidence = world.attach(
      Buffer.from(
        encodeCommitEvidence({
          head,
          base: over.base ?? base,
          commits: commits.map(({ bytes }) => bytes).toReversed(),
          ancestry: [],
        }),
      ).toString('utf8'),
    );
    const gathered = [{ fact: 'authors', value: null, evidence, detail: { base: over.base ?? base } }];
    return world.request(
      { facts: { service: 'shop', commit: commits.at(-1)?.id ?? base } },
      { attested: [], gathered: over.gathered === false ? [] : gathered, attachments: [evidence] },
    );
  };
  const first = commit(base, 'One', 'ada');
  const second = commit(first.id, 'Two', 'linus');
  const good = asked([first, second]);
  world.accept(good);
  world.refuse(world.vote(good.request, 'linus'), 'vote-by-producer');
  world.later(minute).accept(world.vote(good.request, 'grace'));
  world.accept(world.permit(good.request));
  world.accept(world.consumption(good.request));
  world.accept(world.result(good.request, 'succeeded'));
  world.refuse(asked([first, commit(first.id, 'Unsigned', null)]), 'producer-unknown');
  world.refuse(asked([first, commit(first.id, 'Stranger', 'stranger')]), 'producer-unknown');
  world.refuse(asked([second]), 'git-evidence-incomplete');
  world.refuse(asked([first, second], { gathered: false }), 'fact-missing');
  world.refuse(asked([first, second], { head: first.id }), 'fact-evidence-missing');
  world.refuse({ ...asked([first]), attachments: [] }, 'fact-evidence-missing');
  world.refuse(asked([{ id: second.id, bytes: Buffer.from('no commit') }]), 'git-commit-malformed');
  return world;
};

export const commits: History = {
  name: 'commits',
  about: 'Authors out of signed commits, and evidence that does not carry.',
  live,
};
