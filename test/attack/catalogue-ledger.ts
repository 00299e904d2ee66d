// SPDX-License-Identifier: Apache-2.0
import type { AttackClass } from './catalogue.ts';

/** Known ways round a gate: ledger, signatures and time. */
export const ledgerAttacks: readonly AttackClass[] = [
  {
    id: 'T1',
    what: 'an entry is edited in the store',
    shownBy: [
      'T1 T2 T3 A48: a ledger that was edited, thinned, cut, lengthened or rewritten on disk is quarantined from that entry on',
      'T1: an entry edited under a running server is sent to nobody, by itself or in a permit, and a head changed under it stops it',
    ],
  },
  {
    id: 'T2',
    what: 'an entry is removed from the middle',
    shownBy: [
      'T1 T2 T3 A48: a ledger that was edited, thinned, cut, lengthened or rewritten on disk is quarantined from that entry on',
    ],
  },
  {
    id: 'T3',
    what: 'the tail is cut',
    shownBy: [
      'T1 T2 T3 A48: a ledger that was edited, thinned, cut, lengthened or rewritten on disk is quarantined from that entry on',
    ],
  },
  {
    id: 'T4',
    what: 'an old copy of the database is restored',
    shownBy: [
      'T4 A48: an older copy put back is seen by its mark; and with its mark put back too, by whoever saw the newer one',
    ],
  },
  {
    id: 'T5',
    what: 'two histories are shown to two readers',
    shownBy: [
      'T5: a vote that names a checkpoint of another history is refused',
      'T5 A48: two histories of one ledger: refused by the command line, by the target and by the other’s voters',
    ],
  },
  {
    id: 'T6',
    what: 'a vote is replayed elsewhere',
    shownBy: [
      'T6 C1 C2 A36: a vote is worth nothing for another request, revision, digest, tenant or ledger, nor when one byte is edited',
      'T6 C11: the votes of one revision are worth nothing for the next, and void permits are not revived by going back',
    ],
  },
  {
    id: 'T7',
    what: 'a login is presented as a vote, or the reverse',
    shownBy: ['T7: what was signed for one purpose is worth nothing for another, in either direction'],
  },
  {
    id: 'T8',
    what: 'a passkey assertion of another kind, origin or key',
    shownBy: [
      'A13 T8: a passkey vote without verification, of another origin, in a frame, for other bytes or with a swapped key fills no seat',
    ],
  },
  {
    id: 'T9',
    what: 'a key is revoked in between, or enrolled by the server alone',
    shownBy: [
      'T9: a key revoked or distrusted between vote and permit, or between permit and use, takes its vote along',
      'T9 V5: a distrusted key signs nothing any more: no vote, no fact, no use, no request, no login',
      'T9 V5: who asks, or vouches, with a stolen key and votes with their own has nothing of it once that key counts no more',
      'T9 V5: a key that is distrusted from a later entry on leaves what it asked for before as it is',
      'T9 A38: an executor who lost the key, the role or the machine, and an instance that was taken away, use no permit',
      'INV11 T9 A48: with database and log key in hand, nobody makes a permit that verifier or target takes',
    ],
  },
  {
    id: 'T10',
    what: 'one key under two persons, two keys of one person',
    shownBy: [
      'A05 T10: another key, another spelling or a borrowed name of one person is the same person or nobody',
      'T10 A05: a key of one person is not enrolled for another, and a new key not without its own signature',
    ],
  },
  {
    id: 'T11',
    what: 'the clock runs back, or far ahead',
    shownBy: ['T11: a clock that runs back or leaps ahead takes no command; no lock is over and nothing ends by it'],
  },
  {
    id: 'T12',
    what: 'a permit is used twice at once, at two replicas, or cut off',
    shownBy: [
      'T12 C25 A42: a permit is used once: not twice at once, not again after a failure, not on two processes’ shared folder',
      'T12 C32: cut off from the server, or shown no proof of this very use, the target does nothing',
      'A19 A42 T12: of many uses of one permit at the same moment one wins; of many askers each gets the same permit',
      'T12: of uses of one permit at several servers at the same moment one wins, and each server says which',
      'T12: a withdrawal at one server and a permit or its use at others: never both',
    ],
  },
  {
    id: 'T13',
    what: 'an older roster or policy is presented',
    shownBy: [
      'T13 C15: an older roster or policy, though it was valid once, is taken neither by the ledger nor by the target',
    ],
  },
  {
    id: 'T14',
    what: 'bytes that are read in two ways, or too many',
    shownBy: [
      'T14: duplicate keys, deep nesting, lone surrogates, odd numbers, other encodings and no JSON at all are refused at every POST',
      'T14: a signed statement that is not canonical, or that two readers could read differently, is refused though its signature holds',
      'T14: a signature with leftover, missing, swapped or other bytes is refused',
      'H10 T14: bodies and headers beyond their bounds are cut off, at every POST, and the server stays',
    ],
  },
];
