// SPDX-License-Identifier: Apache-2.0
import type { Client } from '../client/connect.ts';
import { refuseOldServer } from '../client/server-freshness.ts';
import { verifyCosignatures } from '../crypto/cosignature.ts';
import { sayTime } from '../ledger/freshness.ts';
import { policyCosigners, quorumTimes, type PolicyWitness, type WitnessPolicy } from '../ledger/witness-policy.ts';
import { doubtful, well, type Finding } from './doctor-finding.ts';

const hostIn = (address: string): string | undefined =>
  URL.canParse(address)
    ? new URL(address).hostname
    : URL.canParse(`https://${address}`)
      ? new URL(`https://${address}`).hostname
      : undefined;

/** A witness at the server's own host, or that bears its name, is the operator's for all one can tell. */
const isOperators = ({ key, url }: PolicyWitness, server: string): boolean => {
  const own = hostIn(server);
  return [key.name, url ?? ''].some((one) => one !== '' && hostIn(one) === own);
};

// Until when the quorum vouches, without those who may be the operator's own; null when they are not enough.
const vouchedUntilMs = (note: string, policy: WitnessPolicy, server: string): number | null => {
  const own = policy.witnesses
    .filter((witness) => isOperators(witness, server))
    .map(({ key }) => `${key.name}+${key.id}`);
  const cosigned = verifyCosignatures(note, policyCosigners(policy));
  if (!cosigned.ok) return null;
  const others = cosigned.value.cosignatures.filter(({ name, id }) => !own.includes(`${name}+${id}`));
  const times = quorumTimes(policy, others);
  return times === undefined ? null : times.notBefore * 1000;
};

/**
 * "Could the operator rewrite the ledger, and nobody would see it?" Answered from what this machine knows: the quorum of
 * its reader's own policy of witnesses, and the checkpoints it remembers. Whatever is not known is a yes.
 */
export const examineRewrite = (
  { server, info, freshness, seen }: Client,
  policy: WitnessPolicy | undefined,
): Finding => {
  const { size } = seen().checkpoint;
  const remembered = `this machine remembers size ${size}, so that you yourself would notice a change of what came before, and nobody else would`;
  const yes = (why: string, help: string): Finding =>
    doubtful('rewrite', `could the operator rewrite it: yes, ${why}; ${remembered}`, help);
  const compare =
    '`countersign ledger seen` and `countersign ledger compare` tell whether you and your colleagues are shown one history';
  if (policy === undefined || policy.quorum.kind === 'none') {
    const { witnesses = [] } = info.heartbeat ?? {};
    const named = witnesses.map(({ name }) => `\`${name}\``).join(', ');
    return yes(
      named === ''
        ? 'no witness is asked to watch it'
        : `you have no policy of witnesses; the server says that it asks ${named}, and who keeps them is for you to find out`,
      `write a policy of witnesses whose operators are not the server's, and give it: --witnesses FILE; until then ${compare}`,
    );
  }
  const note = info.heartbeat?.note ?? '';
  // Where they speak of an earlier head than the server shows, nobody but the operator has seen what came since.
  const atMs = freshness.atMs === null ? null : vouchedUntilMs(note, policy, server);
  const time = { by: 'witnesses', atMs } as const;
  const now = Date.now();
  if (atMs === null)
    return yes(
      "the quorum of your policy has not cosigned what the server shows, not counting witnesses at the server's own host",
      `ask the operator why, and the witnesses what they hold; until then ${compare}`,
    );
  if (refuseOldServer({ ...freshness, ...time }, now) !== undefined)
    return yes(
      `your quorum last saw this head ${sayTime(time, now)}, and what was shown to others since is unknown`,
      `look at \`witnesses\` in the server's /readyz; until then ${compare}`,
    );
  return well(
    'rewrite',
    `could the operator rewrite it: no, not what is in it by now; those whom your policy asks for saw it ${sayTime(time, now)}, and cosign nothing that does not hold it`,
  );
};
