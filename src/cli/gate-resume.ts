// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import type { Client } from '../client/connect.ts';
import { readHomeFile, writeHomeFile } from '../client/home-file.ts';
import { listRequests, showRequest } from '../client/requests.ts';
import { sha256Hex } from '../crypto/digest.ts';
import { canonicalize, parseCanonical } from '../kernel/canonical-json.ts';
import { ok, type Result } from '../kernel/refusal.ts';
import { isObject } from '../kernel/shape.ts';

/**
 * A pipeline that calls `gate` again with the same resume key finds the request it made before, also on another runner
 * with an empty home: the client's half of the nonce follows from the key, so that it shows in the signed bytes (C11).
 */
export const resumeNonce = (client: Client, principal: string, action: string, key: string): string =>
  sha256Hex(canonicalize(['countersign-gate', client.anchor.pin, principal, action, key])).slice(0, 16);

const noteFile = (client: Client, nonce: string): string => join(client.home, 'gates', `${nonce}.json`);

/** Remembers where the request is; only a shortcut. */
export const rememberGate = (client: Client, nonce: string, request: string): void =>
  writeHomeFile(noteFile(client, nonce), JSON.stringify({ request }));

const carriesNonce = async (client: Client, id: string, nonce: string): Promise<Result<boolean>> => {
  const view = await showRequest(client, id);
  if (!view.ok) return view.refusal.code === 'request-unknown' ? ok(false) : view;
  const change = parseCanonical(view.value.change_text);
  const found = change.ok && isObject(change.value) ? change.value['nonce'] : undefined;
  return ok(typeof found === 'string' && found.startsWith(nonce));
};

const lookBackMs = 30 * 86_400_000;

/** The request of this resume key, or undefined when there is none yet. What it asks is compared by the caller. */
export const findGate = async (
  client: Client,
  principal: string,
  action: string,
  nonce: string,
): Promise<Result<string | undefined>> => {
  const noted = readHomeFile(noteFile(client, nonce));
  const known = noted === undefined ? undefined : /"(req_[a-z0-9]{26})"/.exec(noted)?.[1];
  if (known !== undefined) {
    const carries = await carriesNonce(client, known, nonce);
    if (!carries.ok) return carries;
    if (carries.value) return ok(known);
  }
  const since = new Date(Date.now() - lookBackMs).toISOString();
  for (let cursor: string | null = ''; cursor !== null; ) {
    const query: { [name: string]: string } = { action, limit: '100', ...(cursor === '' ? {} : { cursor }) };
    const page: Awaited<ReturnType<typeof listRequests>> = await listRequests(client, query);
    if (!page.ok) return page;
    for (const item of page.value.items) {
      if (item.requested_at < since) return ok(undefined);
      if (item.requester !== principal) continue;
      const carries = await carriesNonce(client, item.request, nonce);
      if (!carries.ok) return carries;
      if (carries.value) return ok(item.request);
    }
    cursor = page.value.items.length === 0 ? null : page.value.next;
  }
  return ok(undefined);
};
