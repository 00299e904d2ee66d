// SPDX-License-Identifier: Apache-2.0
// Attacks from outside on servers that share one ledger: what one has not seen yet must not be enough for anything.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventsOf, openHouse } from '../server/house.ts';
import type { Running } from '../server/running.ts';

const codeOf = ({ status, body }: { readonly status: number; readonly body: { readonly code?: string } }): string =>
  status < 300 ? 'accepted' : (body.code ?? String(status));

test('T12: of uses of one permit at several servers at the same moment one wins, and each server says which', async (t) => {
  const { servers, store } = await openHouse(t);
  const [first] = servers;
  for (let round = 0; round < 4; round += 1) {
    const { request, permit } = await first.permitted();
    const uses = await Promise.all(
      [...servers, ...servers].map(async (server) =>
        codeOf(
          await server.post(
            `/v1/permits/${permit.permit}/consume`,
            server.consumptionBody(permit.permit, request.change),
          ),
        ),
      ),
    );
    assert.equal(uses.filter((code) => code === 'accepted').length, 1, uses.join());
    for (const server of servers) assert.equal((await server.show(request.request)).status, 'consumed');
    assert.equal((await first.permit(request.request)).body.code, 'permit-used');
  }
  assert.equal((await eventsOf(store)).filter((type) => type === 'PermitConsumed').length, 4);
});

test('T12: a withdrawal at one server and a permit or its use at others: never both', async (t) => {
  const { servers, store } = await openHouse(t);
  const [one, two, three] = servers;
  const race = async (
    request: string,
    other: (server: Running) => Promise<{ status: number; body: { code?: string } }>,
  ): Promise<readonly string[]> => {
    const stop = await one.stopBody(request, 'ada', 'withdrawal');
    const answers = await Promise.all([one.post(`/v1/requests/${request}/withdraw`, stop), other(two), other(three)]);
    return answers.map(codeOf);
  };
  for (let round = 0; round < 4; round += 1) {
    const { request, permit } = await one.permitted();
    const [stopped, ...uses] = await race(request.request, (server) =>
      server.post(`/v1/permits/${permit.permit}/consume`, server.consumptionBody(permit.permit, request.change)),
    );
    const used = uses.filter((code) => code === 'accepted').length;
    assert.equal(used + (stopped === 'accepted' ? 1 : 0), 1, [stopped, ...uses].join());
    const status = used === 1 ? 'consumed' : 'withdrawn';
    for (const server of servers) assert.equal((await server.show(request.request)).status, status);
    // Whoever saw it withdrawn at one server gets nothing at another, at once.
    if (used === 0)
      for (const server of servers)
        assert.notEqual(codeOf(await server.permit(request.request)), 'accepted', 'what is over stays so');
  }
  const events = await eventsOf(store);
  const ends = events.filter((type) => type === 'PermitConsumed' || type === 'RequestWithdrawn').length;
  assert.equal(ends, 4);
});
