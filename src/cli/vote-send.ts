// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { sendEnvelope } from '../client/requests.ts';
import { dearmorSignature, parseSshSignature, verifySshSignature } from '../crypto/sshsig.ts';
import { encodeBase64 } from '../kernel/base64.ts';
import { parseCanonical } from '../kernel/canonical-json.ts';
import { namespaces, voteStatement } from '../kernel/statements.ts';
import { examples } from './help.ts';
import { openClient } from './open-client.ts';
import { clientOptions, type ClientOptions } from './options.ts';
import { orFail, print, printJson, say, usage } from './output.ts';
import type { Verb } from './verb.ts';

type SendOptions = ClientOptions & { readonly statement: string; readonly signature: string };

const read = (path: string, option: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    return usage(`${option} \`${path}\` cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unreadable'})`);
  }
};

const voteSend = async (id: string, options: SendOptions): Promise<void> => {
  const statement = read(options.statement, '--statement');
  // What was signed is sent to the byte: an editor's line break at the end is part of it, and is refused as such.
  const vote = orFail(voteStatement(orFail(parseCanonical(statement, { maxBytes: 49_152 })), ''));
  const blob = orFail(dearmorSignature(read(options.signature, '--signature')));
  const signature = orFail(parseSshSignature(blob));
  orFail(verifySshSignature({ signature, message: statement, namespace: namespaces['countersign.dev/vote/v0'] }));
  if (vote.request !== id) usage(`the statement is for \`${vote.request}\`, not for \`${id}\``, 'name that request');
  const client = await openClient(options);
  const sent = orFail(
    await sendEnvelope(
      client,
      { statement, signature: encodeBase64(blob) },
      {
        path: `/v1/requests/${id}/votes`,
        event: [vote.decision === 'approve' ? 'ApprovalRecorded' : 'RejectionRecorded'],
      },
    ),
  );
  const { entry, size } = sent.receipt;
  if (options.json)
    printJson({ request: id, decision: vote.decision, status: sent.status, index: entry.index, proven_size: size });
  else print(`${vote.decision === 'approve' ? 'approved' : 'rejected'} ${id}`);
  say(`The vote is entry ${entry.index} of the ledger, proven under size ${size}; the request is now ${sent.status}.`);
};

export const verb: Verb = (program) => {
  examples(
    clientOptions(
      program
        .command('vote-send')
        .description('Send a vote that stock ssh-keygen signed, with no Countersign program near the key.')
        .argument('<id>', 'request id'),
    )
      .requiredOption('--statement <file>', 'the exact bytes that were signed')
      .requiredOption('--signature <file>', 'what `ssh-keygen -Y sign` wrote')
      .action(voteSend),
    '$ ssh-keygen -Y sign -f ~/.ssh/id_ed25519 -n countersign-vote@v1 vote.json',
    '$ countersign vote-send req_0123456789abcdefghjkmnpqrs --statement vote.json --signature vote.json.sig',
  );
};
