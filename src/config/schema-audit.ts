import * as z from 'zod';
import { quotaSchema } from '../tenants/record-schema.ts';
import { HOUR, MIB, seconds, secretName, section } from './schema-kinds.ts';

/** Settings of the audit log. */
export const Audit = section({
  directory: z
    .string()
    .min(1)
    .default('audit')
    .describe('Folder to which each process writes its chain: [audit.md](audit.md).'),
  durability: z
    .enum(['write', 'fsync'])
    .default('write')
    .describe(
      'Crash that a record survives once its response is sent: `write`, of the process; `fsync`, of the machine.',
    ),
  access: z
    .enum(['plain', 'keyed'])
    .default('plain')
    .describe(
      "How records store what callers say about an access (`Access-Subject`, `Access-Reason`, `Access-Label`): as text, or as HMACs under the tenant's audit key, which can be looked for but not read.",
    ),
  maxFileBytes: z
    .int()
    .min(64 * 1024)
    .max(1024 * MIB)
    .default(64 * MIB)
    .describe('Size at which a chain continues in a new file. It also does so at midnight UTC.'),
  retentionDays: z
    .int()
    .min(1)
    .max(36_500)
    .optional()
    .describe('Days after which records are removed. By default they are kept for ever.'),
  database: z
    .boolean()
    .optional()
    .describe(
      'Ship records from the files to the database, which collects those of all processes. By default true with PostgreSQL (`database.url`) and false with SQLite.',
    ),
  maxSpoolBytes: z
    .int()
    .min(MIB)
    .max(2 ** 40)
    .default(1024 * MIB)
    .describe('Maximum bytes that wait in files for the database. Beyond it no request is answered.'),
  keepShippedSeconds: seconds(0, 30 * 24 * HOUR)
    .default(24 * HOUR)
    .describe('Time that a file is kept after the database has its records, in case the database loses them.'),
});

/** Settings of the transparency logs. */
export const Receipts = section({
  origin: z
    .string()
    .regex(
      /^[a-z0-9](?:[a-z0-9.:/_-]{0,198}[a-z0-9])?$/,
      'must be a name such as vendor.example/vaultspan, without https://',
    )
    .optional()
    .describe(
      'Name of the transparency logs, such as `vendor.example/vaultspan`; that of a tenant adds `/tenants/ID`. Turns [receipts](operating.md#receipts) on; needs `audit.database`.',
    ),
  keyName: secretName
    .default('vaultspan-receipts')
    .describe('Name of the EC key in the home vault that signs checkpoints.'),
  checkpointSeconds: seconds(1, HOUR).default(300).describe('Time from a new entry of a log to its next checkpoint.'),
  signaturesPerSecond: z
    .int()
    .min(1)
    .max(200)
    .default(40)
    .describe('Maximum signatures per second in the whole deployment. Each checkpoint is one call of the home vault.'),
});

const LOOPBACK = /^(?:127\.\d+\.\d+\.\d+|localhost|\[::1\])$/;

/** Settings of the deliveries of audit records. */
export const Siem = section({
  enabled: z
    .boolean()
    .default(false)
    .describe(
      "Deliver audit records to the customers' [SIEM](siem.md): tenants may have `siem`. Needs `audit.database`.",
    ),
  otlpEndpoint: z
    .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
    .refine(
      (url) => url.startsWith('https:') || LOOPBACK.test(new URL(url).hostname),
      'must be https, except on loopback',
    )
    .transform((url) => url.replace(/\/$/, ''))
    .optional()
    .describe(
      "The vendor's collector of the audit records of all tenants ([OTLP logs](siem.md#otlp-logs) over HTTP with JSON), without `/v1/logs`. Needs `audit.database`.",
    ),
  otlpAuthorizationSecret: secretName
    .optional()
    .describe('Name of the secret in the home vault whose value is sent to the collector in `Authorization`.'),
});

/** The quota of tenants without their own. */
export const Quota = section({
  operations: quotaSchema.shape.operations.describe(
    'Default [quota](operating.md#quotas) of each tenant without its own: operations in a period. By default tenants have none.',
  ),
  bytes: quotaSchema.shape.bytes.describe('The same in bytes of plaintexts, keys and values.'),
  periodSeconds: quotaSchema.shape.periodSeconds
    .default(24 * HOUR)
    .describe('Length of a period; 86400 begins at midnight UTC.'),
});
