// SPDX-License-Identifier: Apache-2.0
// A log of some entries, and web servers that answer as a witness, or as somebody who is none.
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cosigner, cosignerVerifier, type Cosigner } from '../../src/crypto/cosignature.ts';
import { noteSigner, noteVerifier } from '../../src/crypto/signed-note.ts';
import { ok } from '../../src/kernel/refusal.ts';
import { signCheckpoint } from '../../src/ledger/checkpoint.ts';
import { leafHash, rootOf } from '../../src/ledger/merkle.ts';
import { consistencyProof } from '../../src/ledger/proof.ts';
import { MerkleSlab } from '../../src/ledger/slab.ts';
import type { CosignRequest } from '../../src/ledger/witness-port.ts';

export const log = noteSigner('log.example/a', Buffer.alloc(32, 1));
export const logKey = (() => {
  const key = noteVerifier(log.name, log.publicKey);
  assert.ok(key.ok);
  return key.value;
})();
export const verifierOf = (of: Cosigner) => {
  const verifier = cosignerVerifier(of.name, of.publicKey);
  assert.ok(verifier.ok);
  return verifier.value;
};
export const witnessKey = cosigner('witness.example/w1', Buffer.alloc(32, 2));

/** A log's tree, of which any size can be shown; another `history`, or another `parting`, is another tree from there on. */
export const treeOf = (entries: number, history = 'one', parting = entries) => {
  const slab = new MerkleSlab();
  for (let at = 0; at < entries; at += 1) slab.append(leafHash(`${history} ${at}${at < parting ? '' : ' parted'}`));
  const rootAt = (size: number): string => rootOf(slab.edge(size));
  const noteAt = (size: number): string => signCheckpoint({ origin: log.name, size, root: rootAt(size) }, log);
  const proof = (from: number, to: number): readonly string[] => consistencyProof(from, to, slab.hashAt);
  const request = (size: number, signal = new AbortController().signal): CosignRequest => ({
    note: noteAt(size),
    size,
    consistencyFrom: (from) => ok(proof(from, size)),
    signal,
  });
  return { rootAt, noteAt, proof, request };
};

export type Site = { readonly url: string; readonly asked: string[]; readonly close: () => Promise<void> };

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
};

/** A web server that keeps what it was asked and answers as it is told. */
export const site = async (answer: (body: string, response: ServerResponse, asked: number) => void): Promise<Site> => {
  const asked: string[] = [];
  const server: Server = createServer((request, response) => {
    void bodyOf(request).then(
      (body) => {
        asked.push(body);
        answer(body, response, asked.length);
      },
      () => undefined,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
