// SPDX-License-Identifier: Apache-2.0
import { examples } from './help.ts';
import type { Verb } from './verb.ts';
import { castVote, voteOptions, type VoteOptions } from './vote.ts';

export const verb: Verb = (program) => {
  examples(
    voteOptions(
      program
        .command('reject')
        .description('Sign against a request; one rejection ends it.')
        .argument('<id>', 'request id'),
    ).action((id: string, options: VoteOptions) => castVote(id, 'reject', options)),
    '$ countersign reject req_0123456789abcdefghjkmnpqrs --key ~/.ssh/id_ed25519',
    '$ countersign reject req_0123456789abcdefghjkmnpqrs --key agent --yes --digest sha256:…',
  );
};
