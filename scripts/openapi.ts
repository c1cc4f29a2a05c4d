import { writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import * as z from 'zod';
import { createDocument, type ZodOpenApiOverride } from 'zod-openapi';
import { isDataRole } from '../src/callers/principal.ts';
import type { ErrorCode } from '../src/errors.ts';
import { problemTable } from '../src/http/answers/problem-table.ts';
import { operations } from '../src/http/contract/contract.ts';
import type { Operation } from '../src/http/contract/operation.ts';
import { ProblemResult } from '../src/http/contract/problem-schema.ts';
import { type StreamOperation, streamOperations } from '../src/http/contract/stream-contract.ts';

const AUTHENTICATED: readonly ErrorCode[] = [
  'unauthenticated',
  'grant-missing',
  'caller-throttled',
  'overloaded',
  'audit-unavailable',
  'internal',
];
const DESCRIPTION = [
  "Encrypts a SaaS vendor's data under each customer's own key, in the customer's own Azure Key Vault.",
  'Every call carries a bearer token of an issuer that the service is configured for. The roles in the token say what the caller may do; no role implies another.',
  'Binary values are base64. Times are RFC 3339 in UTC. A failure is `application/problem+json` (RFC 9457) with a stable `code`; `fix` says who can fix it and with which command. A 429 or 503 carries `Retry-After` and is safe to repeat.',
  'A JSON body may be nested 32 levels deep and must not have two members of the same name in one object. Limits count the data, not its JSON: a plaintext of the largest size passes however its JSON is escaped.',
  'Some generated clients (TypeScript, Python, Go) take and return the base64 text itself; others take and return its bytes.',
].join('\n\n');
const TAGS: Readonly<Record<string, string>> = {
  Data: "Encrypt and decrypt under the customer's key.",
  Streams: "Encrypt and decrypt bodies of any size under the customer's key.",
  Keys: "Key Vault's own wrap and unwrap.",
  'Look-ups': 'Search encrypted columns by tokens or by deterministic values.',
  Leases: 'Keys for clients that encrypt and decrypt locally.',
  Tenants: 'The registry of customers.',
  Onboarding: "Links to the page of a customer's administrator.",
  Audit: 'The audit log: who did what, with which key.',
  Doorbell: 'For customers that revoke access. No token needed.',
  Drills: 'Revocations that a customer rehearses, with a signed report.',
  Health: 'For probes. No token needed.',
};

/** Gives an integer its format, and takes out the bounds that the format has anyway. */
function formatInteger(schema: { format?: string; minimum?: number; maximum?: number }, isSmall: boolean): void {
  schema.format ??= isSmall ? 'int32' : 'int64';
  if (schema.minimum === (isSmall ? -(2 ** 31) : Number.MIN_SAFE_INTEGER)) delete schema.minimum;
  if (schema.maximum === (isSmall ? 2 ** 31 - 1 : Number.MAX_SAFE_INTEGER)) delete schema.maximum;
}

/** Returns a schema that client generators understand; zod's own is made for validators. */
const forGenerators: ZodOpenApiOverride = ({ jsonSchema, zodSchema, io }) => {
  if (jsonSchema.format === 'byte') delete jsonSchema.maxLength; // some limits count the bytes, not the text
  if (zodSchema instanceof z.ZodUnknown)
    Object.assign(jsonSchema, { type: 'object', additionalProperties: { type: 'string' } });
  if (jsonSchema.type === 'integer')
    formatInteger(jsonSchema, zodSchema instanceof z.ZodNumber && zodSchema.format === 'int32');
  if (jsonSchema.type === 'string') delete jsonSchema.items; // parts of a path, which print as one
  // A later version may add members to an answer; a strict client must accept them.
  if (io === 'output' && jsonSchema.additionalProperties === false) {
    delete jsonSchema.additionalProperties;
  }
};

/**
 * Returns openapi.yaml as a document. It is OpenAPI 3.0.3, because 3.1's idioms lose types in
 * generated clients.
 */
export function buildOpenApi() {
  const paths: Record<string, Record<string, object>> = {};
  for (const [operationId, operation] of Object.entries<Operation>(operations)) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: describe(operationId, operation) };
  }
  for (const [operationId, operation] of Object.entries<StreamOperation>(streamOperations)) {
    paths[operation.path] = { [operation.method]: describeStream(operationId, operation) };
  }
  return createDocument(
    {
      openapi: '3.0.3',
      info: { title: 'Vaultspan', version: '0.1.0', description: DESCRIPTION, license: { name: 'Apache-2.0' } },
      servers: [{ url: '/' }],
      tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
      security: [{ bearer: [] }],
      paths,
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } } },
    },
    { override: forGenerators },
  );
}

function describe(operationId: string, operation: Operation): object {
  const { tag, summary, description, role, alsoNeeds = [], params, query, ifMatch } = operation;
  return {
    operationId,
    tags: [tag],
    summary,
    description: role === undefined ? description : `${description}\n\n${rolesText([role, ...alsoNeeds])}`,
    ...(role === undefined && { security: [] }),
    ...((params || query || ifMatch) && {
      requestParams: {
        ...(params && { path: params }),
        ...(query && { query }),
        ...(ifMatch && { header: IF_MATCH[ifMatch] }),
        ...(role !== undefined && isDataRole(role) && { header: ACCESS }),
      },
    }),
    ...requestBody(operation),
    responses: {
      ...success(operation),
      ...failures(operation),
      default: { description: 'Failure', content: { 'application/problem+json': { schema: ProblemResult } } },
    },
  };
}

/** Returns the response to a call that succeeded. */
function success(operation: Operation): Record<number, object> {
  const { response, isAccepted, raw, responseExample, etag, lines, steps, csv } = operation;
  const accepted = isAccepted && { 202: { description: 'Accepted, whatever came of it' } };
  if (response) {
    return {
      ...accepted,
      200: {
        description: 'Done',
        ...(etag && { headers: ETAG }),
        ...(hasQuota(operation) && { headers: RATE_LIMIT }),
        ...((lines !== undefined || csv) && { headers: NEXT_CURSOR }),
        content: {
          'application/json': { schema: response, example: responseExample },
          ...((lines !== undefined || steps) && { 'application/x-ndjson': { schema: { type: 'string' } } }),
          ...(csv && { 'text/csv': { schema: { type: 'string' } } }),
        },
      },
    };
  }
  if (raw !== undefined) {
    const content = { [mediaType(raw)]: { schema: rawSchema(raw), example: responseExample } };
    return { 200: { description: 'Done', content } };
  }
  return accepted || { 204: { description: 'Done' } };
}

const rolesText = (roles: readonly string[]): string =>
  `Needs the role${roles.length > 1 ? 's' : ''} ${roles.map((role) => `\`${role}\``).join(', ')}.`;

const mediaType = (raw: string): string => raw.split(';')[0] ?? raw;
const rawSchema = (raw: string): object =>
  mediaType(raw) === 'application/octet-stream' ? { type: 'string', format: 'binary' } : { type: 'string' };

function describeStream(operationId: string, operation: StreamOperation): object {
  const { tag, summary, description, role, params, query } = operation;
  return {
    operationId,
    tags: [tag],
    summary,
    description: `${description}\n\nNeeds the role \`${role}\`.`,
    requestParams: { path: params, ...(query && { query }), header: CONTEXT_HEADER.extend(ACCESS.shape) },
    requestBody: { required: true, content: OCTETS },
    responses: {
      200: {
        description: 'The stream. It counts only when it is complete.',
        headers: { ...KEY_ID, ...RATE_LIMIT },
        content: OCTETS,
      },
      ...failures(operation),
      default: { description: 'Failure', content: { 'application/problem+json': { schema: ProblemResult } } },
    },
  };
}

function requestBody({ body, bodyInPrint, bodyType, bodyExample, bodyWith }: Operation): object {
  const schema = bodyWith ? undefined : (bodyInPrint ?? body);
  return schema
    ? {
        requestBody: {
          required: true,
          content: { [bodyType ?? 'application/json']: { schema, example: bodyExample } },
        },
      }
    : {};
}

const IF_MATCH = {
  required: z.object({ 'If-Match': z.string().meta({ description: 'The `ETag` of the revision that you read.' }) }),
  'to-replace': z.object({
    'If-Match': z
      .string()
      .optional()
      .meta({ description: 'To replace a record: the `ETag` of the revision that you read. Absent to create one.' }),
  }),
};
const accessHeader = (id: string, description: string, example: string) =>
  z.string().min(1).max(256).optional().meta({ description, example, param: { id } });
const ACCESS = z.object({
  'Access-Subject': accessHeader(
    'AccessSubject',
    "The person or the job that the caller acts for. It is the caller's claim, recorded in the audit record beside the authenticated principal. Visible ASCII; percent-encode other characters as UTF-8.",
    'jane@example.com',
  ),
  'Access-Reason': accessHeader(
    'AccessReason',
    'The reason for the access, such as a ticket. Recorded and encoded as `Access-Subject`.',
    'ticket-4711',
  ),
  'Access-Label': accessHeader(
    'AccessLabel',
    "A label of the caller's choice, such as the feature or the table. Recorded and encoded as `Access-Subject`.",
    'payroll',
  ),
});
const ETAG = { ETag: { description: 'The revision; send it in `If-Match`.', schema: { type: 'string' } } };

const NEXT_CURSOR = {
  'Next-Cursor': {
    description: 'With NDJSON, the cursor of the next page. Absent on the last page.',
    schema: { type: 'string' },
  },
};

const OCTETS = { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } };
const CONTEXT_HEADER = z.object({
  'Encryption-Context': z.string().optional().meta({
    description:
      'The encryption context, as base64url of its JSON. The example is `{"purpose":"scan","id":"4711"}`. The rules of `EncryptionContext` apply.',
    example: 'eyJwdXJwb3NlIjoic2NhbiIsImlkIjoiNDcxMSJ9',
  }),
});
const KEY_ID = {
  'Key-Id': {
    description: 'Full id of the Key Vault key version that was used.',
    required: true,
    schema: { type: 'string' },
  },
};

/** Returns whether the call is refused without a rest of the tenant's quota. */
const hasQuota = ({ role, errors }: Pick<Operation, 'errors' | 'role'>): boolean =>
  role !== undefined && isDataRole(role) && errors.includes('tenant-suspended');

function failures(operation: Pick<Operation, 'errors' | 'role'>): Record<number, object> {
  const codes = [
    ...operation.errors,
    ...(operation.role === undefined ? [] : AUTHENTICATED),
    ...(hasQuota(operation) ? (['quota-exceeded'] as const) : []),
  ];
  const byStatus = Map.groupBy(codes, (code) => problemTable[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, some]) => [
      status,
      {
        description: some.map((code) => `\`${code}\`: ${problemTable[code].title}.`).join('\n\n'),
        ...(status === 429 ? { headers: { ...RETRY_AFTER, ...RATE_LIMIT } } : {}),
        ...(status === 503 ? { headers: RETRY_AFTER } : {}),
        content: { 'application/problem+json': { schema: ProblemResult } },
      },
    ]),
  );
}

const RATE_LIMIT = {
  'RateLimit-Policy': {
    description: "The tenant's quota, or the caller's rate (draft-ietf-httpapi-ratelimit-headers-10).",
    schema: { type: 'string' },
    example: '"operations";q=1000000;w=86400',
  },
  RateLimit: {
    description: 'What is left, and the seconds until more is.',
    schema: { type: 'string' },
    example: '"operations";r=998211;t=3601',
  },
};

const RETRY_AFTER = {
  'Retry-After': { description: 'Seconds to wait before the next try.', schema: { type: 'integer' } },
};

if (import.meta.main) {
  writeFileSync('openapi.yaml', stringify(buildOpenApi(), { lineWidth: 120, aliasDuplicateObjects: false }));
}
