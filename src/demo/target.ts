// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { encodeBase64 } from '../kernel/base64.ts';
import { parseJson } from '../kernel/canonical-json.ts';
import { isRefusalCode } from '../contract/code-table.ts';
import { ok, type JsonObject, type Refused, type Result } from '../kernel/refusal.ts';
import { isObject } from '../kernel/shape.ts';
import { startNode } from './run-program.ts';
import { DemoEnded } from './steps.ts';

/** What a use of a permit comes with: the entry that records it, its proof, and consistency with what the target has seen. */
export type ShownUse = { readonly entry: string; readonly proof: string; readonly consistency: readonly string[] };
export type Seen = { readonly size: number; readonly root: string };

/** The site that checks permits by itself, in a process of its own; it knows the pin and nothing of the server. */
export type Target = {
  readonly url: string;
  /** The page as a visitor gets it; empty while there is none. */
  readonly page: () => Promise<string>;
  readonly challenge: (file: string) => Promise<Result<{ readonly challenge: string; readonly seen: Seen | null }>>;
  readonly deploy: (file: string, artefact: Uint8Array, use: ShownUse) => Promise<Result<JsonObject>>;
  readonly stop: () => Promise<void>;
};

const main = join(import.meta.dirname, '..', 'enforce', 'static-site-main.ts');

export const startTarget = async (folder: string, pin: string): Promise<Target> => {
  const args = ['--folder', folder, '--pin', pin, '--instance', 'site', '--action', 'deploy.production'];
  const running = await startNode(
    [main, ...args, '--target', 'production/shop', '--fact', 'artifact', '--min-persons', '1', '--allow-trial'],
    /"url":"(http:[^"]+)"/,
  );
  const url = running.match[1] ?? '';
  return {
    url,
    page: async () => {
      const answer = await fetch(url);
      return answer.ok ? answer.text() : '';
    },
    challenge: async (file) => {
      const answer = await post(`${url}/challenge`, { permit_file: file });
      if (!answer.ok) return answer;
      const { challenge, seen } = answer.value;
      return ok({ challenge: String(challenge), seen: isObject(seen) ? (seen as unknown as Seen) : null });
    },
    deploy: (file, artefact, use) =>
      post(`${url}/deploy`, {
        permit_file: file,
        artefact: encodeBase64(artefact),
        use: { kind: 'online', entry: use.entry, proof: use.proof, consistency: use.consistency },
      }),
    stop: running.stop,
  };
};

const post = async (url: string, body: JsonObject): Promise<Result<JsonObject>> => {
  const answer = await fetch(url, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });
  const parsed = parseJson(await answer.text(), { numbers: 'any' });
  if (!parsed.ok || !isObject(parsed.value)) throw new DemoEnded(`${url} answered ${answer.status} and no JSON object`);
  return answer.ok ? ok(parsed.value) : refusalIn(url, parsed.value);
};

const refusalIn = (url: string, { code, rule, message, facts }: JsonObject): Refused => {
  if (typeof code !== 'string' || !isRefusalCode(code)) throw new DemoEnded(`${url} refused without a code`);
  return {
    ok: false,
    refusal: { code, rule: String(rule), message: String(message), facts: isObject(facts) ? facts : {} },
  };
};
