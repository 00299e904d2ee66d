// SPDX-License-Identifier: Apache-2.0
import type { LogAgent } from '../server/log-agent.ts';
import { usage } from './output.ts';

/** `--log-key FILE` or `--log-key agent:SHA256:…`: the agent it names, or undefined for a file. */
export const logAgentIn = (given: string): LogAgent | undefined => {
  if (given !== 'agent' && !given.startsWith('agent:')) return undefined;
  const fingerprint = given.slice('agent:'.length);
  if (!/^SHA256:[A-Za-z0-9+/]{43}$/.test(fingerprint))
    usage(
      `--log-key \`${given}\` does not say which key of the agent`,
      'write agent:SHA256:…, with the fingerprint that `ssh-add -l` shows',
    );
  return { fingerprint };
};
