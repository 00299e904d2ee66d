// SPDX-License-Identifier: Apache-2.0

/**
 * What became of one message to the outside. `final` says that trying again is of no use, such as an address that the
 * mail server does not know; everything else is tried again. `why` names no secret and no address.
 */
export type Delivery =
  | { readonly sent: true }
  | { readonly sent: false; readonly final: boolean; readonly why: string };

export const sent: Delivery = { sent: true };
export const notSent = (why: string, final = false): Delivery => ({ sent: false, final, why });
