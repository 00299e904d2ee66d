// SPDX-License-Identifier: Apache-2.0
/** `1 person`, `2 persons`. */
export const counted = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;
