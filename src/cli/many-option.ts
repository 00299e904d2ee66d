// SPDX-License-Identifier: Apache-2.0
import { Option } from 'commander';

/** What an option gives that may be repeated: undefined when it is not given at all. */
export type Many = readonly string[] | undefined;

/** An option that may be given several times; each takes one value. */
export const manyOption = (flags: string, description: string): Option =>
  new Option(flags, `${description}; may be repeated`).argParser((value: string, before: Many) => [
    ...(before ?? []),
    value,
  ]);
