// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import { problem } from '../contract/api.ts';
import { routes, type Access, type Route } from '../contract/routes.ts';

type Json = { readonly [key: string]: unknown };

const schemaOf = (schema: z.ZodType): Json => {
  // `$schema` belongs at the top of a document of its own.
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { unrepresentable: 'any' }) as Json;
  return rest;
};

const parametersOf = ({ path, query = [], method, body }: Route): Json[] => [
  ...[...path.matchAll(/\{([a-z]+)\}/g)].map((match) => ({
    name: match[1],
    in: 'path',
    required: true,
    schema: { type: 'string' },
  })),
  ...query.map((name) => ({ name, in: 'query', required: false, schema: { type: 'string' } })),
  ...(method === 'POST' && body !== undefined
    ? [{ name: 'Idempotency-Key', in: 'header', required: false, schema: { type: 'string', maxLength: 200 } }]
    : []),
];

const contentOf = ({ answer, text = 'application/json' }: Route): Json =>
  answer === undefined
    ? { [text]: { schema: { type: 'string' } } }
    : { 'application/json': { schema: schemaOf(answer) } };

const securityOf = (access: Access): Json[] => (access === 'reader' || access === 'page' ? [{ reader: [] }] : []);

const operationOf = (name: string, route: Route): Json => ({
  operationId: name,
  summary: route.summary,
  security: securityOf(route.access),
  parameters: parametersOf(route),
  ...(route.body === undefined
    ? {}
    : { requestBody: { required: true, content: { 'application/json': { schema: schemaOf(route.body) } } } }),
  ...(route.form === true
    ? { requestBody: { content: { 'application/x-www-form-urlencoded': { schema: { type: 'object' } } } } }
    : {}),
  responses: {
    [String(route.status)]: { description: route.summary, content: contentOf(route) },
    default: {
      description: 'A refusal (RFC 9457)',
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    },
  },
});

/** The interface as OpenAPI 3.1, made from the same table that the server is mounted from. */
export const openApiDocument = (version: string): Json => {
  const paths: { [path: string]: { [method: string]: Json } } = {};
  for (const [name, route] of Object.entries(routes))
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationOf(name, route) };
  return {
    openapi: '3.1.0',
    info: { title: 'Countersign', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    paths,
    components: {
      schemas: { Problem: schemaOf(problem) },
      securitySchemes: { reader: { type: 'http', scheme: 'bearer', description: 'A read token or a session' } },
    },
  };
};
