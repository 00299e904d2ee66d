// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';

/** What notices tell of. The last three of the list reach every channel, whatever it asked for (SPEC M1). */
export const noticeKinds = [
  'request.waiting',
  'request.met',
  'request.locked',
  'request.refused',
  'request.vetoed',
  'request.expired',
  'permit.issued',
  'emergency.ended',
  'review.owed',
  'review.overdue',
  'finding.raised',
  'emergency.invoked',
  'ledger.quarantined',
  'ledger.loss-accepted',
] as const;
export type NoticeKind = (typeof noticeKinds)[number];
export const alertKinds: readonly NoticeKind[] = ['emergency.invoked', 'ledger.quarantined', 'ledger.loss-accepted'];

// One address and nothing else: what has a line break, a comma or a bracket in it could become two.
const mailAddress = z
  .email()
  .max(254)
  .regex(/^[^\s,;:<>()[\]"\\]+@[^\s,;:<>()[\]"\\]+$/);
const file = z.string().min(1).max(1000);

const webhook = z.strictObject({
  url: z.string().max(2000),
  /** File with one `whsec_…` secret a line. */
  'secret-file': file,
  /** Left out: everything. Alerts always come. */
  events: z.array(z.enum(noticeKinds)).min(1).optional(),
  /** Networks inside which this webhook may lie, such as `10.20.0.0/16`. */
  'allow-networks': z.array(z.string().max(50)).max(16).optional(),
});

const smtp = z
  .strictObject({
    host: z
      .string()
      .max(253)
      .regex(/^[A-Za-z0-9.:-]+$/),
    port: z.int().min(1).max(65535).default(587),
    from: mailAddress,
    user: z.string().min(1).max(254).optional(),
    'password-file': file.optional(),
    /** True: begins in the clear and turns to TLS. False: TLS from the first byte, as on port 465. */
    starttls: z.boolean().default(true),
    /** PEM file of certificates to trust beside the system's. */
    'ca-file': file.optional(),
  })
  .refine((value) => (value.user === undefined) === (value['password-file'] === undefined), {
    error: '`user` and `password-file` go together',
  });

/** The section `notices` of `countersign.yaml`. */
export const noticesConfig = z
  .strictObject({
    webhooks: z.array(webhook).max(16).default([]),
    smtp: smtp.optional(),
    /** Where mail for a person goes. Kept here and nowhere else. */
    addresses: z.record(z.string().regex(/^p_[a-z0-9_]{4,40}$/), mailAddress).default({}),
    /** Mailboxes that get every alert, beside the persons concerned. */
    alerts: z.array(mailAddress).max(16).default([]),
  })
  .refine(
    ({ smtp: mail, addresses, alerts }) =>
      (mail === undefined) === (Object.keys(addresses).length === 0 && alerts.length === 0),
    { error: '`smtp` needs `addresses` or `alerts` to send to, and they need `smtp`' },
  );
export type NoticesConfig = z.infer<typeof noticesConfig>;
