// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';

/**
 * A `Roster` document as people write it (kebab-case keys): who there is, by handles such as `ada` that stay inside the
 * document. Names are for display and never reach the sealed roster; handles become opaque ids at compile.
 */
const prose = (max: number) => z.string().min(1, 'must not be empty').max(max, `must have at most ${max} characters`);
const plainName = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'must be a name of lowercase letters, digits and dashes');
const handle = plainName.describe('a short name by which this document refers to a person');
const status = z.enum(['active', 'suspended']).default('active');

const key = z.strictObject({
  file: z.string().optional().describe('name of a public key file beside the roster, such as `ada.pub`'),
  line: z.string().optional().describe('an OpenSSH public key line, instead of a file'),
  level: z
    .enum(['own-key', 'present', 'hardware'])
    .default('own-key')
    .describe('the most that a signature by this key can show; a plain key file is `own-key`'),
  status: z.enum(['active', 'revoked']).default('active'),
  'distrusted-from': z.int().min(0).optional().describe('ledger index from which on its signatures are void'),
});
const keys = z.array(key).max(16).default([]);

const person = z.strictObject({
  name: prose(120).describe('for display only; it never enters the ledger'),
  id: z
    .string()
    .regex(/^p_[a-z0-9_]{4,40}$/, 'must be an opaque id such as `p_7h2k9w`')
    .optional()
    .describe('opaque id; given by `countersign` when left out'),
  status,
  attributes: z
    .record(
      z.string().regex(/^[a-z][a-z_]{0,30}$/, 'must be an attribute such as `team`'),
      z.string().regex(/^[A-Za-z0-9_.:-]{1,80}$/, 'must be a short plain value'),
    )
    .default({})
    .describe('what independence rests on: `team`, `location`; `manager` takes a handle'),
  keys,
  logins: z
    .array(
      z.string().regex(/^[a-z][a-z0-9-]{0,30}:[A-Za-z0-9_.:/-]{1,120}$/, 'must be a login such as `github:1234567`'),
    )
    .max(16)
    .default([])
    .describe('accounts elsewhere, by provider and immutable id'),
});

const machine = z.strictObject({
  accountable: handle.describe('the person who answers for it'),
  purpose: prose(200),
  status,
  keys,
});

const enforcementPoint = z.strictObject({
  actions: z
    .array(
      z.string().regex(/^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*){0,7}$/, 'must be an action such as `deploy.production`'),
    )
    .min(1, 'must have at least one action')
    .max(64),
  operator: z.string().describe('`machine:<name>` or the handle of a person'),
  status,
});

const origin = z.strictObject({
  operator: prose(200),
  independent: z.boolean().describe('whether others than those who run the ledger operate it'),
});

export const rosterYaml = z.strictObject({
  kind: z.literal('Roster'),
  persons: z.record(handle, person),
  machines: z.record(plainName, machine).default({}),
  groups: z.record(plainName, z.array(z.string()).max(1000)).default({}),
  'enforcement-points': z.record(plainName, enforcementPoint).default({}),
  origins: z
    .record(
      z.string().regex(/^https:\/\/[a-z0-9.-]+(:\d{1,5})?$/, 'must be an origin such as `https://sign.example.org`'),
      origin,
    )
    .default({}),
});
export type RosterDocument = z.infer<typeof rosterYaml>;
export type KeyDocument = z.infer<typeof key>;

/** What to write where a key is missing or wrong. */
export const rosterExamples: { readonly [key: string]: string } = {
  kind: 'kind: Roster',
  persons: 'persons: {ada: {name: Ada Lovelace, attributes: {team: dev}, keys: [{file: ada.pub}]}}',
  name: 'name: Ada Lovelace',
  id: 'id: p_7h2k9w',
  attributes: 'attributes: {team: dev, manager: grace}',
  keys: 'keys: [{file: ada.pub}]',
  logins: 'logins: ["github:1234567"]',
  machines: 'machines: {ci: {accountable: ada, purpose: builds and tests, keys: [{file: ci.pub}]}}',
  accountable: 'accountable: ada',
  purpose: 'purpose: builds and tests',
  groups: 'groups: {platform: [grace, linus]}',
  'enforcement-points': 'enforcement-points: {site: {actions: [deploy.production], operator: "machine:deployer"}}',
  actions: 'actions: [deploy.production]',
  operator: 'operator: "machine:deployer"',
  independent: 'independent: true',
};

/** JSON Schema of a `Roster` document, for editors. */
export const rosterSchema = (): object => z.toJSONSchema(rosterYaml, { io: 'input' });
