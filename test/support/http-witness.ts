// SPDX-License-Identifier: Apache-2.0
// A witness over HTTP (c2sp.org/tlog-witness) for one log: the library's own judgment, with a memory.
import { cosign, cosigner, formatCosignerKey } from '../../src/crypto/cosignature.ts';
import { parseVerifierKey } from '../../src/crypto/signed-note.ts';
import { judgeCheckpoint, parseAddCheckpoint, type Cosigned } from '../../src/ledger/witness.ts';
import { site, type Site } from '../adapters/witness-sites.ts';

export type HttpWitness = Site & {
  readonly vkey: string;
  /** The line of a policy of witnesses that names it, with its address. */
  readonly policyLine: (name: string) => string;
  down: boolean;
  /** Verifier key of the log that it knows. */
  log: string;
};

export const httpWitness = async (name: string, seed: Uint8Array, log = ''): Promise<HttpWitness> => {
  let last: Cosigned | undefined;
  const key = cosigner(name, seed);
  const vkey = formatCosignerKey(key);
  const at = await site((body, response) => {
    const known = parseVerifierKey(witness.log);
    const request = parseAddCheckpoint(body);
    if (witness.down || !known.ok || !request.ok) return void response.writeHead(503).end();
    const judged = judgeCheckpoint(request.value, [{ origin: known.value.name, keys: [known.value] }], () => last);
    if (judged.status === 409)
      return void response.writeHead(409, { 'content-type': 'text/x.tlog.size' }).end(`${judged.size}\n`);
    if (judged.status !== 200) return void response.writeHead(judged.status).end();
    last = { size: judged.checkpoint.size, root: judged.checkpoint.root };
    return void response.end(cosign(judged.text, key, Math.floor(Date.now() / 1000)));
  });
  const witness: HttpWitness = {
    ...at,
    vkey,
    policyLine: (inPolicy) => `witness ${inPolicy} ${vkey} ${at.url}\n`,
    down: false,
    log,
  };
  return witness;
};
