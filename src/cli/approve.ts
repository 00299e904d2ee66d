// SPDX-License-Identifier: Apache-2.0
import { examples } from './help.ts';
import type { Verb } from './verb.ts';
import { castVote, voteOptions, type VoteOptions } from './vote.ts';

export const verb: Verb = (program) => {
  examples(
    voteOptions(
      program
        .command('approve')
        .description('Sign for a request, after seeing every value of what you sign, derived on this machine.')
        .argument('<id>', 'request id'),
    ).action((id: string, options: VoteOptions) => castVote(id, 'approve', options)),
    '$ countersign approve req_0123456789abcdefghjkmnpqrs --key ~/.ssh/id_ed25519',
    '$ countersign approve req_0123456789abcdefghjkmnpqrs --key agent --yes --digest sha256:…',
  );
};
