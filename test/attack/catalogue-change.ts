// SPDX-License-Identifier: Apache-2.0
import type { AttackClass } from './catalogue.ts';

/** Known ways round a gate: change, pipeline and cluster. */
export const changeAttacks: readonly AttackClass[] = [
  {
    id: 'C1',
    what: 'an approval survives a change of content',
    shownBy: [
      'T6 C1 C2 A36: a vote is worth nothing for another request, revision, digest, tenant or ledger, nor when one byte is edited',
      'C1 C19: a real site takes the approved artefact once, and no other, whatever is posted to it',
    ],
  },
  {
    id: 'C2',
    what: 'an approval is wider than what was reviewed',
    shownBy: [
      'T6 C1 C2 A36: a vote is worth nothing for another request, revision, digest, tenant or ledger, nor when one byte is edited',
      'A39 C2: a permit is for one instance, action, target, artefact and executor, and for a floor that the target sets itself',
    ],
  },
  {
    id: 'C3',
    what: 'a second identity of the same person: bot, token, workflow',
    shownBy: [
      'A08 C3: an agent approves nothing, and whoever owns or drives it does not approve what it asks',
      'C3 A01: the executor approves nothing of what it runs, as a person or as a machine',
    ],
  },
  {
    id: 'C4',
    what: 'a contributor is not seen as one: forged or unknown author',
    shownBy: [
      'C4 C5 C16 C27 C28 A22: authors come from signatures in real git history: forged, unsigned, merged and hidden commits clear nobody',
    ],
  },
  {
    id: 'C5',
    what: 'pushing to the change of somebody else and approving it',
    shownBy: [
      'C4 C5 C16 C27 C28 A22: authors come from signatures in real git history: forged, unsigned, merged and hidden commits clear nobody',
    ],
  },
  {
    id: 'C6',
    what: 'administrators bypass',
    shownBy: ['A01 A02 C6: whoever asks approves nothing: not as an approver, not as a founder, not with a second key'],
  },
  {
    id: 'C7',
    what: 'a second endpoint lacks the check',
    shownBy: [
      'C7 A34: no POST of any route changes anything without a signature that counts: none, garbage, a stranger’s or somebody else’s',
      'C7: what needs no signature needs a reader, and does only what is decided already',
      'C7: every route answers as its table says, and no other method does anything',
    ],
  },
  {
    id: 'C8',
    what: 'the object that carries the gate is left out',
    shownBy: ['A28 C8: what no policy names cannot be asked for, and leaving out what the gate hangs on opens nothing'],
  },
  {
    id: 'C9',
    what: 'a guard is dropped when another option is off',
    shownBy: [
      'A27 A30 C9 C14: a policy with two documents of one action, or with a word that is not understood whole, is refused at load',
      'A15 A16 A29 C9 C10: a gate that nobody, one person or anybody could meet is refused before anybody votes on it',
    ],
  },
  {
    id: 'C10',
    what: 'an empty approver set approves by itself',
    shownBy: [
      'A15 A16 A29 C9 C10: a gate that nobody, one person or anybody could meet is refused before anybody votes on it',
    ],
  },
  {
    id: 'C11',
    what: 'a second run takes the old approval',
    shownBy: [
      'T6 C11: the votes of one revision are worth nothing for the next, and void permits are not revived by going back',
      'A21 A23 C11: cancelling, asking again and sending again take no approval along',
    ],
  },
  {
    id: 'C12',
    what: 'the caller picks the gate',
    shownBy: ['C12 A35: a target is made of plain names: no value climbs out of its place or looks like another'],
  },
  {
    id: 'C13',
    what: 'a rule holds for one API version or subresource only',
    notYet:
      'there is no admission webhook yet; it comes with the cluster adapters. The HTTP interface has one version and one table of routes: see C7',
  },
  {
    id: 'C14',
    what: 'an exemption that one grants oneself',
    shownBy: [
      'A27 A30 C9 C14: a policy with two documents of one action, or with a word that is not understood whole, is refused at load',
    ],
  },
  {
    id: 'C15',
    what: 'an older, validly signed policy',
    shownBy: [
      'A37 C15: a permit that was out when policy changed is void, also when policy goes back to what it was',
      'T13 C15: an older roster or policy, though it was valid once, is taken neither by the ledger nor by the target',
    ],
  },
  {
    id: 'C16',
    what: 'a tag or branch of a like name',
    shownBy: [
      'C4 C5 C16 C27 C28 A22: authors come from signatures in real git history: forged, unsigned, merged and hidden commits clear nobody',
    ],
  },
  {
    id: 'C17',
    what: 'the rule is deleted on one change',
    notYet: 'no rules of a forge are relied on; reading them back comes with the forge adapters',
  },
  {
    id: 'C18',
    what: 'the guard is off for a moment and something else lands',
    notYet: 'nothing can switch the gate off; drift of what stands outside is seen with monitoring (design stage 7)',
  },
  {
    id: 'C19',
    what: 'a forged status',
    shownBy: ['C1 C19: a real site takes the approved artefact once, and no other, whatever is posted to it'],
  },
  {
    id: 'C20',
    what: 'approval by keyword or edited comment',
    shownBy: ['C20: words approve nothing: neither a comment nor a reason, whoever writes them'],
  },
  {
    id: 'C21',
    what: 'one person fills two seats',
    shownBy: ['A04 C21: one person in both groups fills one seat, whatever seats and keys the votes name'],
  },
  {
    id: 'C22',
    what: 'a window is passed by writing controller state or a "manual" flag',
    notYet:
      'there are no freeze windows and no controllers yet; they come with timelock windows and the cluster adapters',
  },
  {
    id: 'C23',
    what: 'one thing is shown and another signed',
    shownBy: [
      'A35 C23: what a reason or a name holds is text on the page: no script, no hidden turn, no other page',
      'C23 A35: a server that shows a voter another change, another reason or another request gets no signature',
    ],
  },
  {
    id: 'C24',
    what: 'an emergency path, or a delay, without its bounds',
    shownBy: [
      'A41 C24 Y10: a veto or a withdrawal that was given to the target beats the permit, and nobody takes it back',
      'A39 C24: no permit a moment before the time lock is over, and none that outlives its end',
      'C24 A38: a time lock counts from votes that hold: one that fell starts the wait anew',
      'C24 A41 INV6: one veto stops it in the wait, after it, and after the permit is out; the requester’s withdrawal too',
      'C24 A01 INV9: nobody commands their own emergency: not the requester, not the driver, not the agent’s owner',
      'C24 INV9: an emergency alerts, ends by itself, and leaves a debt that raises the next one until somebody else has looked',
    ],
  },
  {
    id: 'C25',
    what: 'effects before the grant is used up',
    shownBy: [
      'T12 C25 A42: a permit is used once: not twice at once, not again after a failure, not on two processes’ shared folder',
      'INV1 INV3 INV6 C25: whatever everybody tries over HTTP, every permit has distinct persons without a part in it, one use, and no life after its end',
    ],
  },
  {
    id: 'C26',
    what: 'an evaluation that sees half of the data',
    shownBy: ['A31 C26 C32: a source of facts that is missing or fails lets nothing through'],
  },
  {
    id: 'C27',
    what: 'changes smuggled in by a merge',
    shownBy: [
      'C4 C5 C16 C27 C28 A22: authors come from signatures in real git history: forged, unsigned, merged and hidden commits clear nobody',
    ],
  },
  {
    id: 'C28',
    what: 'commits that are not in the reviewed set',
    shownBy: [
      'C4 C5 C16 C27 C28 A22: authors come from signatures in real git history: forged, unsigned, merged and hidden commits clear nobody',
    ],
  },
  {
    id: 'C29',
    what: 'code of the change runs before approval',
    notYet:
      'the server runs nothing of a request; planners and pipelines with an identity of their own come with the pipeline adapters',
  },
  {
    id: 'C30',
    what: 'unsigned evidence decides',
    shownBy: [
      'A33 C30: what is vouched for by the requester, for another request, action or fact, or by a stranger, is no fact',
    ],
  },
  {
    id: 'C31',
    what: 'a shared link approves',
    shownBy: ['A08 C31: a session or a link carries nobody’s vote: who signed it counts, whoever sends it'],
  },
  {
    id: 'C32',
    what: 'open on outage or bad configuration',
    shownBy: [
      'T12 C32: cut off from the server, or shown no proof of this very use, the target does nothing',
      'A31 C26 C32: a source of facts that is missing or fails lets nothing through',
    ],
  },
];
