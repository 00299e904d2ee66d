// SPDX-License-Identifier: Apache-2.0
import type { AttackClass } from './catalogue.ts';

/** Known ways round a gate: access and approval. */
export const accessAttacks: readonly AttackClass[] = [
  {
    id: 'A01',
    what: 'the requester approves the own request, by any route',
    shownBy: [
      'A01 A02 C6: whoever asks approves nothing: not as an approver, not as a founder, not with a second key',
      'C3 A01: the executor approves nothing of what it runs, as a person or as a machine',
      'C24 A01 INV9: nobody commands their own emergency: not the requester, not the driver, not the agent’s owner',
    ],
  },
  {
    id: 'A02',
    what: 'an administrator or owner is exempt',
    shownBy: [
      'A01 A02 C6: whoever asks approves nothing: not as an approver, not as a founder, not with a second key',
      'A02 A34 INV8: governance has one way in: no founder, machine or operator changes policy or roster by another',
    ],
  },
  {
    id: 'A03',
    what: 'the only approver left may approve the own request',
    shownBy: ['A03: the last approver left is not enough when it is who asked'],
  },
  {
    id: 'A04',
    what: 'one person fills several seats through several groups',
    shownBy: ['A04 C21: one person in both groups fills one seat, whatever seats and keys the votes name'],
  },
  {
    id: 'A05',
    what: 'one person under two names, keys or spellings',
    shownBy: [
      'A05 T10: another key, another spelling or a borrowed name of one person is the same person or nobody',
      'T10 A05: a key of one person is not enrolled for another, and a new key not without its own signature',
    ],
  },
  {
    id: 'A06',
    what: 'a group of the same name in another tenant or ledger',
    shownBy: ['A06: a group of that name in another ledger lets nobody in here'],
  },
  {
    id: 'A07',
    what: 'members of nested groups are miscounted',
    shownBy: ['A07: a group holds persons; a group, a machine or a nobody in it is refused'],
  },
  {
    id: 'A08',
    what: 'requester and approver share a session, or an agent approves for itself',
    shownBy: [
      'A08 C3: an agent approves nothing, and whoever owns or drives it does not approve what it asks',
      'A08 C31: a session or a link carries nobody’s vote: who signed it counts, whoever sends it',
    ],
  },
  {
    id: 'A09',
    what: 'chat identity is weaker than sign-in',
    notYet:
      'there is no chat, and nothing said anywhere approves anything; linked logins come with the directory and chat adapters',
  },
  {
    id: 'A10',
    what: 'a plugin that may act for everybody',
    shownBy: ['A33 A10: a machine speaks for itself alone, and what it vouches for is not the requester’s own word'],
  },
  {
    id: 'A11',
    what: 'an identity header is believed',
    shownBy: ['A11: what a header says of who is calling is believed by nobody'],
  },
  {
    id: 'A12',
    what: 'the requester writes fields of the approval',
    shownBy: [
      'A12: a requester writes no part of the gate: approvers, tiers, seats and producers are not theirs to name',
      'A12 INV3: only the executor that people approved uses a permit, at the place and for the change they approved, and only it reports',
    ],
  },
  {
    id: 'A13',
    what: 'a passkey without user verification counts',
    shownBy: [
      'A13 T8: a passkey vote without verification, of another origin, in a frame, for other bytes or with a swapped key fills no seat',
    ],
  },
  {
    id: 'A14',
    what: 'a login is used again, or for something else',
    shownBy: ['A14: a login serves once, soon, here, and opens a session for reading and for nothing else'],
  },
  {
    id: 'A15',
    what: 'a threshold of zero, less, or none',
    shownBy: [
      'A15 A16 A29 C9 C10: a gate that nobody, one person or anybody could meet is refused before anybody votes on it',
    ],
  },
  {
    id: 'A16',
    what: 'a threshold above the number of approvers',
    shownBy: [
      'A15 A16 A29 C9 C10: a gate that nobody, one person or anybody could meet is refused before anybody votes on it',
    ],
  },
  {
    id: 'A17',
    what: 'equality where at least is meant',
    shownBy: ['A17: more votes than seats meet the gate as well'],
  },
  {
    id: 'A18',
    what: 'a raised threshold does not reach what is open',
    shownBy: [
      'A18 A26 A37 INV3: a raised quorum holds for what is open: its votes fall, and the permits that were out are void',
    ],
  },
  {
    id: 'A19',
    what: 'lost updates: counting outside the lock',
    shownBy: [
      'A19: twenty votes of one person at the same moment, over many connections and two keys, are one vote',
      'A19 A42 T12: of many uses of one permit at the same moment one wins; of many askers each gets the same permit',
      'A19 INV6: votes, permits, vetoes and withdrawals at the same moment leave one end and at most one permit',
    ],
  },
  {
    id: 'A20',
    what: 'approving again moves the end',
    shownBy: ['A20: voting on, or fetching again, moves no end further away'],
  },
  {
    id: 'A21',
    what: 'cancelling or running again skips the gate',
    shownBy: ['A21 A23 C11: cancelling, asking again and sending again take no approval along'],
  },
  {
    id: 'A22',
    what: 'the gate looks at what triggered it and not at who wrote it',
    shownBy: [
      'C4 C5 C16 C27 C28 A22: authors come from signatures in real git history: forged, unsigned, merged and hidden commits clear nobody',
    ],
  },
  {
    id: 'A23',
    what: 'what looks like a duplicate passes as approved',
    shownBy: [
      'A23 A42: an idempotency key gives its first answer and no more: not to others, not for another body, not for another address',
      'A21 A23 C11: cancelling, asking again and sending again take no approval along',
    ],
  },
  {
    id: 'A24',
    what: 'a status says approved without anybody’s authority',
    shownBy: ['A24 A38: a gate that was met is looked at again: who was suspended or left the group counts no more'],
  },
  {
    id: 'A25',
    what: 'a deleted policy or approver opens the gate, or hides history',
    shownBy: ['A25: an action that policy no longer has ends its requests as refused, and their history stays'],
  },
  {
    id: 'A26',
    what: 'it shows as approved after the gate was changed',
    shownBy: [
      'A18 A26 A37 INV3: a raised quorum holds for what is open: its votes fall, and the permits that were out are void',
    ],
  },
  {
    id: 'A27',
    what: 'of two policies the weaker one wins',
    shownBy: [
      'A27 A30 C9 C14: a policy with two documents of one action, or with a word that is not understood whole, is refused at load',
    ],
  },
  {
    id: 'A28',
    what: 'no policy means open',
    shownBy: ['A28 C8: what no policy names cannot be asked for, and leaving out what the gate hangs on opens nothing'],
  },
  {
    id: 'A29',
    what: 'an empty list means everybody',
    shownBy: [
      'A15 A16 A29 C9 C10: a gate that nobody, one person or anybody could meet is refused before anybody votes on it',
    ],
  },
  {
    id: 'A30',
    what: 'a pattern that cannot be read means no match, and so allowed',
    shownBy: [
      'A27 A30 C9 C14: a policy with two documents of one action, or with a word that is not understood whole, is refused at load',
    ],
  },
  {
    id: 'A31',
    what: 'a look-up that fails counts as empty',
    shownBy: ['A31 C26 C32: a source of facts that is missing or fails lets nothing through'],
  },
  {
    id: 'A32',
    what: 'what the requester types lowers the bar',
    shownBy: ['A32: a fact that the requester types never lowers the bar'],
  },
  {
    id: 'A33',
    what: 'what a machine or the requester vouches for lowers the bar',
    shownBy: [
      'A33 A10: a machine speaks for itself alone, and what it vouches for is not the requester’s own word',
      'A33 C30: what is vouched for by the requester, for another request, action or fact, or by a stranger, is no fact',
    ],
  },
  {
    id: 'A34',
    what: 'another way in without the gate',
    shownBy: [
      'A34: a request smuggled in another, or cut short, is not taken for one',
      'A47 A34: nobody reads without a token of their own: none, wrong, expired, revoked or in an address',
      'C7 A34: no POST of any route changes anything without a signature that counts: none, garbage, a stranger’s or somebody else’s',
      'A34: unknown ids, and those of another ledger, are answered alike, and nothing is made by talking of them',
      'A34 H6: a page of another site, another host name or a form makes nobody’s browser do anything',
      'A02 A34 INV8: governance has one way in: no founder, machine or operator changes policy or roster by another',
    ],
  },
  {
    id: 'A35',
    what: 'approvers see less, or something else, than what runs',
    shownBy: [
      'A35: content is read whole or not asked for: what the digest does not give is refused',
      'A35 C23: what a reason or a name holds is text on the page: no script, no hidden turn, no other page',
      'C23 A35: a server that shows a voter another change, another reason or another request gets no signature',
      'C12 A35: a target is made of plain names: no value climbs out of its place or looks like another',
    ],
  },
  {
    id: 'A36',
    what: 'what was approved is edited after the vote',
    shownBy: [
      'T6 C1 C2 A36: a vote is worth nothing for another request, revision, digest, tenant or ledger, nor when one byte is edited',
      'A36 A42: what was attested for a draft holds for its facts and content, and no others under the same nonce',
      'INV6 A36: what is withdrawn, rejected, vetoed or expired takes no vote and no permit any more',
    ],
  },
  {
    id: 'A37',
    what: 'policy is widened between vote and permit',
    shownBy: [
      'A37 C15: a permit that was out when policy changed is void, also when policy goes back to what it was',
      'A18 A26 A37 INV3: a raised quorum holds for what is open: its votes fall, and the permits that were out are void',
    ],
  },
  {
    id: 'A38',
    what: 'an approver or executor lost the role in between',
    shownBy: [
      'T9 A38: an executor who lost the key, the role or the machine, and an instance that was taken away, use no permit',
      'A24 A38: a gate that was met is looked at again: who was suspended or left the group counts no more',
      'A38 INV6: a vote after the end, a vote that has ended, and a vote for ever count nothing',
      'C24 A38: a time lock counts from votes that hold: one that fell starts the wait anew',
    ],
  },
  {
    id: 'A39',
    what: 'a grant outlives its limit',
    shownBy: [
      'A39 C2: a permit is for one instance, action, target, artefact and executor, and for a floor that the target sets itself',
      'A39 A40: by its own clock the target refuses a permit that is over, or that has not begun',
      'A39 C24: no permit a moment before the time lock is over, and none that outlives its end',
      'A39 A40: a permit never lives beyond the request, however late it is fetched',
    ],
  },
  {
    id: 'A40',
    what: 'windows and delays that wrap, are zero, or have no bound',
    shownBy: [
      'A39 A40: by its own clock the target refuses a permit that is over, or that has not begun',
      'A39 A40: a permit never lives beyond the request, however late it is fetched',
    ],
  },
  {
    id: 'A41',
    what: 'a revocation that is reported and not done',
    shownBy: [
      'A41 C24 Y10: a veto or a withdrawal that was given to the target beats the permit, and nobody takes it back',
      'C24 A41 INV6: one veto stops it in the wait, after it, and after the permit is out; the requester’s withdrawal too',
    ],
  },
  {
    id: 'A42',
    what: 'an approval or a permit is used again',
    shownBy: [
      'A23 A42: an idempotency key gives its first answer and no more: not to others, not for another body, not for another address',
      'T12 C25 A42: a permit is used once: not twice at once, not again after a failure, not on two processes’ shared folder',
      'A36 A42: what was attested for a draft holds for its facts and content, and no others under the same nonce',
      'A42 F5: what was attested for one request serves no second one, whoever asks with the same nonce',
      'A19 A42 T12: of many uses of one permit at the same moment one wins; of many askers each gets the same permit',
    ],
  },
  {
    id: 'A43',
    what: 'anybody cancels or starts the ceremony',
    shownBy: ['A43 A44: strangers to a request stop nothing of it, and one that hangs holds up no other'],
  },
  {
    id: 'A44',
    what: 'one open request blocks the others',
    shownBy: ['A43 A44: strangers to a request stop nothing of it, and one that hangs holds up no other'],
  },
  {
    id: 'A45',
    what: 'a moderator leaves and the session goes on',
    notYet: 'there are no sessions yet; they come with just-in-time access (design stage 6)',
  },
  {
    id: 'A46',
    what: 'what happens before approval, or in the session, is not recorded',
    notYet:
      'there is nothing to record yet; session recording comes with just-in-time access. Refused tries are on record: see A47',
  },
  {
    id: 'A47',
    what: 'records are read or written by whom they do not concern',
    shownBy: [
      'A47 A34: nobody reads without a token of their own: none, wrong, expired, revoked or in an address',
      'A47 H8: a second process on one data folder is refused, and so is another log key',
      'A47: refusals are on record with who tried what, and nothing secret is in the log of the server',
    ],
  },
  {
    id: 'A48',
    what: 'a cut tail, a deleted stream, a rewritten chain',
    shownBy: [
      'T1 T2 T3 A48: a ledger that was edited, thinned, cut, lengthened or rewritten on disk is quarantined from that entry on',
      'A48: a ledger without its beginning takes nothing, says that it is not ready, and is not begun anew',
      'T4 A48: an older copy put back is seen by its mark; and with its mark put back too, by whoever saw the newer one',
      'T5 A48: two histories of one ledger: refused by the command line, by the target and by the other’s voters',
      'INV11 T9 A48: with database and log key in hand, nobody makes a permit that verifier or target takes',
    ],
  },
];
