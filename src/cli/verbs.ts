// SPDX-License-Identifier: Apache-2.0
import type { Verb } from './verb.ts';

type Listed = {
  readonly group: string;
  readonly summary: string;
  readonly load: () => Promise<{ readonly verb: Verb }>;
};

const ask = 'Ask and carry out:';
const decide = 'Look and decide:';
const prove = 'Prove:';
const run = 'Run a server:';
const more = 'More:';

/** Every verb of the command line, in the order of help. A verb's file is loaded only when the verb is used. */
export const verbs = {
  request: { group: ask, summary: 'ask for an action', load: () => import('./request.ts') },
  exec: { group: ask, summary: 'ask, wait, run a command once, and report', load: () => import('./exec.ts') },
  gate: { group: ask, summary: 'stop a pipeline until a request is approved', load: () => import('./gate.ts') },
  attest: { group: ask, summary: 'vouch for a fact of a request', load: () => import('./attest.ts') },
  withdraw: { group: ask, summary: 'take back what you asked for', load: () => import('./withdraw.ts') },
  activate: {
    group: ask,
    summary: 'apply an approved change of roster or policy',
    load: () => import('./activate.ts'),
  },
  list: { group: decide, summary: 'list requests, newest first', load: () => import('./list.ts') },
  show: {
    group: decide,
    summary: 'show one request and why it stands where it stands',
    load: () => import('./show.ts'),
  },
  watch: { group: decide, summary: 'follow one request until it is decided', load: () => import('./watch.ts') },
  approve: { group: decide, summary: 'sign for a request, after seeing all of it', load: () => import('./approve.ts') },
  reject: { group: decide, summary: 'sign against a request', load: () => import('./reject.ts') },
  'vote-send': {
    group: decide,
    summary: 'send a vote that ssh-keygen signed elsewhere',
    load: () => import('./vote-send.ts'),
  },
  veto: { group: decide, summary: 'stop a request during its time lock or until use', load: () => import('./veto.ts') },
  review: { group: decide, summary: 'close the review a request left behind', load: () => import('./review.ts') },
  verify: { group: prove, summary: 'check a permit or evidence file, offline', load: () => import('./verify.ts') },
  digest: { group: prove, summary: 'work out a change digest yourself', load: () => import('./digest.ts') },
  ledger: { group: prove, summary: 'check, export or prove a ledger', load: () => import('./ledger.ts') },
  start: { group: run, summary: 'try it: a server with an example organisation', load: () => import('./start.ts') },
  demo: { group: run, summary: 'show on real things that nobody gets through alone', load: () => import('./demo.ts') },
  init: { group: run, summary: 'found a ledger', load: () => import('./init.ts') },
  serve: { group: run, summary: 'run the server of a ledger', load: () => import('./serve.ts') },
  witness: { group: run, summary: "cosign other people's logs", load: () => import('./witness.ts') },
  token: { group: run, summary: 'make, list and revoke tokens for reading', load: () => import('./token.ts') },
  policy: { group: run, summary: 'check policy documents, or propose new policy', load: () => import('./policy.ts') },
  roster: { group: run, summary: 'show who there is, or propose a change', load: () => import('./roster.ts') },
  doctor: { group: run, summary: 'find out what is wrong, and what to do', load: () => import('./doctor.ts') },
  login: { group: more, summary: 'open a session for reading', load: () => import('./login.ts') },
  completion: {
    group: more,
    summary: 'print a completion script for your shell',
    load: () => import('./completion.ts'),
  },
} as const satisfies { readonly [name: string]: Listed };
export type VerbName = keyof typeof verbs;
