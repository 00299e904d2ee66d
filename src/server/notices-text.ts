// SPDX-License-Identifier: Apache-2.0
import { canonicalize } from '../kernel/canonical-json.ts';
import type { JsonObject } from '../kernel/refusal.ts';
import type { State } from '../lifecycle/state.ts';
import type { ChangeDocument } from '../request/change-document.ts';
import type { NoticeKind } from './notices-config.ts';
import type { Notice } from './notices-plan.ts';
import { clipped, visibleText } from './page-escape.ts';
import { utcText } from './page-time.ts';

/** What words are made from: the ledger's state, where its pages are, and what people are called. */
export type NoticeScene = {
  readonly state: State;
  readonly publicUrl: string;
  readonly people: { readonly [person: string]: string };
};

const changeOf = ({ state }: NoticeScene, { request }: Notice): ChangeDocument | undefined =>
  request === null ? undefined : state.requests.get(request)?.change;

const linkOf = ({ publicUrl }: NoticeScene, { request }: Notice): string =>
  request === null ? `${publicUrl}/` : `${publicUrl}/requests/${request}`;

/** Name of a notice within its ledger: the same whenever it is sent. */
export const noticeId = ({ state }: NoticeScene, { kind, index, n }: Notice): string => {
  const ledger = state.identity?.ledger.slice('sha256:'.length, 'sha256:'.length + 12) ?? 'unread';
  if (kind === 'ledger.loss-accepted') return `msg_${ledger}_loss_${index}`;
  return kind === 'ledger.quarantined' ? `msg_${ledger}_quarantine_${index}` : `msg_${ledger}_${index}_${n}`;
};

/** Body of a webhook: type, moment and data. Ids only, nothing that changes between two sendings. */
export const webhookPayload = (notice: Notice, scene: NoticeScene): string => {
  const change = changeOf(scene, notice);
  const about: JsonObject =
    change === undefined
      ? {}
      : {
          action: change.action,
          target: change.target,
          tier: change.tier,
          emergency: change.emergency,
          enforced: change.enforced,
          requester: change.requester,
        };
  return canonicalize({
    type: notice.kind,
    timestamp: notice.time,
    data: {
      ...about,
      ledger: scene.state.identity?.ledger ?? null,
      trial: scene.state.identity?.trial ?? null,
      index: notice.index,
      request: notice.request,
      to: notice.to,
      detail: notice.detail,
      url: linkOf(scene, notice),
    },
  });
};

const phrases: { readonly [kind in NoticeKind]: readonly [subject: string, sentence: string] } = {
  'request.waiting': ['waits for you', 'A request waits for decisions, and you could fill a seat.'],
  'request.met': ['gate met', 'The gate of your request is met.'],
  'request.locked': [
    'time lock started',
    'A gate is met and its time lock runs. Until the permit is used, you can veto.',
  ],
  'request.refused': ['refused', 'Your request was refused.'],
  'request.vetoed': ['vetoed', 'Your request was vetoed.'],
  'request.expired': ['expired', 'Your request has expired without having been carried out.'],
  'permit.issued': ['permit issued', 'A permit was issued. It may be used once, before it expires.'],
  'emergency.invoked': [
    'EMERGENCY',
    'Somebody asks for an action on the emergency path: one commander, no wait. If this is a surprise to you, look at it now; whoever may fill a seat can reject it, and vetoers can stop it.',
  ],
  'emergency.ended': ['emergency ended', 'An emergency has ended. A review may be owed.'],
  'review.owed': ['review owed', 'A review is owed, and you had no part in what is to be reviewed.'],
  'review.overdue': ['review overdue', 'A review that is owed is overdue.'],
  'finding.raised': ['finding', 'Something was found that a person has to look at.'],
  'ledger.quarantined': [
    'LEDGER DAMAGED',
    'The ledger is damaged. It can be read and exported; votes and permits are refused until it is restored. Compare checkpoints with other people.',
  ],
  'ledger.loss-accepted': [
    'LEDGER TAKEN WITHOUT ITS MARK',
    'Somebody started the ledger although its mark is gone, and said that nothing is missing behind its end. If you have a receipt or checkpoint of a later entry, it was cut: compare now, and sign nothing until it is explained.',
  ],
};

export type MailText = { readonly subject: string; readonly text: string };

const nameOf = (people: NoticeScene['people'], principal: string): string => {
  const person = principal.replace(/^person:/, '');
  const name = Object.hasOwn(people, person) ? people[person] : undefined;
  return name === undefined ? principal : `${clipped(name, 80)} (${person})`;
};

/** A short plain mail. What others wrote stands behind `>`; nothing in it decides anything or lets anybody in. */
export const mailText = (notice: Notice, scene: NoticeScene): MailText => {
  const change = changeOf(scene, notice);
  const [phrase, sentence] = phrases[notice.kind];
  const what = change === undefined ? '' : `: ${change.action} on ${clipped(change.target, 120)} (${change.tier})`;
  const data: readonly (readonly [label: string, value: string | null])[] = [
    ['action', change?.action ?? null],
    ['target', change?.target ?? null],
    ['tier', change?.tier ?? null],
    ['asked by', change === undefined ? null : nameOf(scene.people, change.requester)],
    ['decide by', notice.kind === 'request.waiting' && change !== undefined ? utcText(change.answer_by) : null],
    [detailLabels[notice.kind] ?? 'detail', detailText(notice)],
    ['ledger entry', String(notice.index)],
    ['time', utcText(notice.time)],
  ];
  const lines = data.flatMap(([label, value]) => (value === null ? [] : [`> ${label}: ${visibleText(value)}`]));
  return {
    subject: visibleText(`[Countersign${scene.state.identity?.trial === true ? ' trial' : ''}] ${phrase}${what}`),
    text: [
      sentence,
      '',
      ...lines,
      '',
      'Look at it here:',
      linkOf(scene, notice),
      '',
      'Lines that begin with ">" are data that others wrote. Nothing is approved by this mail or by its link:',
      'a decision is signed with your own key.',
      '',
    ].join('\n'),
  };
};

const detailLabels: { readonly [kind in NoticeKind]?: string } = {
  'request.locked': 'no permit before',
  'request.refused': 'code',
  'finding.raised': 'finding',
  'ledger.quarantined': 'damage',
};

const detailText = ({ kind, detail }: Notice): string | null =>
  detail === null ? null : kind === 'request.locked' ? utcText(detail) : clipped(detail, 500);
