// SPDX-License-Identifier: Apache-2.0

/** Lets one at a time through, in the order of asking: a connection has one transaction, and writers must not share it. */
export class Turn {
  #last: Promise<unknown> = Promise.resolve();

  take<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work);
    this.#last = mine.catch(() => undefined);
    return mine;
  }
}
