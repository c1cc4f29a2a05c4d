import * as z from 'zod';
import { overlaps } from '../callers/issuer-forms.ts';
import { postgresUrlProblem } from '../lib/postgres-url.ts';
import { Caller, Http } from './schema-http.ts';
import { guid, HOUR, httpsUrl, MIB, seconds, section } from './schema-kinds.ts';

const secretNameSchema = z.string().regex(/^[0-9A-Za-z-]{1,127}$/, 'must be 1 to 127 of 0-9, A-Z, a-z and -');

const Home = z.strictObject({
  tenantId: guid.describe("The vendor's own directory."),
  appId: guid.describe('Application (client) id of the multi-tenant app.'),
  vaultUrl: httpsUrl.describe("The vendor's own vault, with the app's secret and the origin key."),
  credential: z
    .enum(['client-secret', 'certificate', 'vault-signed', 'managed-identity', 'workload-identity'])
    .default('client-secret')
    .describe(
      'How the app signs in. `client-secret` and `certificate` (PEM or PFX) are in the home vault. `vault-signed` is a certificate whose key never leaves that vault. `managed-identity` (the user-assigned identity of the machine) and `workload-identity` (the service account of the pod on AKS) are federated: there is no secret.',
    ),
  certificateName: secretNameSchema.default('vaultspan-app').describe('Name of the certificate in the home vault.'),
  secretName: secretNameSchema
    .default('vaultspan-client-secret')
    .describe('Name of the client secret in the home vault.'),
  identity: z
    .enum(['default', 'managed-identity'])
    .default('default')
    .describe(
      'The identity that opens the home vault: DefaultAzureCredential, or the managed identity of this machine.',
    ),
  managedIdentityClientId: guid.optional().describe('Client id of a user-assigned identity.'),
  federatedTokenFile: z
    .string()
    .min(1)
    .default('/var/run/secrets/azure/tokens/azure-identity-token')
    .describe('For `workload-identity`: the projected token of the service account.'),
});

const suffix = z.string().regex(/^\.[a-z0-9.-]+$/, 'must be a host suffix such as .vault.azure.net');
const Cloud = section({
  name: z
    .enum(['public', 'usgov', 'china', 'custom'])
    .default('public')
    .describe('The cloud of this deployment. `custom` needs `cloud.authorityHost` and `cloud.vaultSuffix`.'),
  authorityHost: httpsUrl.optional().describe('Sign-in address of a custom cloud.'),
  graphEndpoint: httpsUrl.optional().describe('Graph address of a custom cloud. By default its `authorityHost`.'),
  vaultSuffix: suffix.optional().describe('Suffix of the vault hosts of a custom cloud.'),
  managedHsmSuffix: suffix
    .optional()
    .describe('Suffix of the Managed HSM hosts of a custom cloud. By default its `vaultSuffix`.'),
  exchangeAudience: z.string().optional().describe('Audience of federated tokens. By default that of the cloud.'),
}).refine(
  ({ name, authorityHost, graphEndpoint, vaultSuffix, managedHsmSuffix }) =>
    name === 'custom'
      ? authorityHost !== undefined && vaultSuffix !== undefined
      : [authorityHost, graphEndpoint, vaultSuffix, managedHsmSuffix].every((address) => address === undefined),
  {
    path: ['name'],
    message: 'authorityHost and vaultSuffix go with name: custom, and it with them',
  },
);

const DataKeys = section({
  mode: z
    .enum(['cached', 'perMessage'])
    .default('cached')
    .describe('`perMessage`: a data key for each message, wrapped with the public key.'),
  maxAgeSeconds: seconds(1, 24 * HOUR)
    .default(HOUR)
    .describe('Longest use of one data key for encryption.'),
  maxMessages: z
    .int()
    .min(1)
    .max(2 ** 32)
    .default(2 ** 24)
    .describe('Most messages under one data key.'),
  maxBytes: z
    .int()
    .min(32 * MIB)
    .max(2 ** 40)
    .default(64 * 1024 * MIB)
    .describe('Most plaintext under one data key.'),
});

const postgresUrl = z.string().superRefine((text, ctx) => {
  const message = postgresUrlProblem(text);
  if (message !== undefined) ctx.addIssue({ code: 'custom', message });
});

const Database = section({
  url: postgresUrl
    .optional()
    .describe(
      'PostgreSQL: `postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE`, also as `DATABASE_URL`. Without it SQLite.',
    ),
  directUrl: postgresUrl
    .optional()
    .describe('PostgreSQL past a transaction pooler, for notifications. By default `database.url`.'),
  file: z.string().min(1).default('vaultspan.db').describe('SQLite database, where there is no `database.url`.'),
  password: z
    .enum(['url', 'entra'])
    .default('url')
    .describe("`entra`: a token of this machine's identity for Azure Database for PostgreSQL."),
  tls: z
    .enum(['off', 'require', 'verify-full'])
    .optional()
    .describe(
      "By default what the URL's `sslmode` says; without one, `verify-full` unless the server is this machine.",
    ),
  caFile: z.string().min(1).optional().describe("PEM: authorities to trust instead of the system's."),
  maxConnections: z.int().min(2).max(100).default(10).describe('Most connections of one process.'),
  statementTimeoutSeconds: seconds(1, 300).default(5).describe('Longest run of one statement.'),
  migrate: z
    .enum(['at-start', 'by-command'])
    .default('at-start')
    .describe('`by-command`: `vaultspan migrate` brings the schema to this version, not the start of the service.'),
});

const Vault = section({
  requireTenantTag: z
    .boolean()
    .default(true)
    .describe(
      'A key is used only while its tag `vaultspan-tenant` names the tenant, so that no other tenant can register it; onboarding sets the tag. See [Upgrade to required tags](operating.md#upgrade-to-required-tags).',
    ),
  deadlineSeconds: seconds(1, 60)
    .default(10)
    .describe('Longest wait for one vault call, its sign-in and its retry included.'),
  maxConcurrent: z.int().min(1).max(1_000).default(32).describe('Calls to one vault in progress in one process.'),
  processes: z
    .int()
    .min(1)
    .max(1_000)
    .default(1)
    .describe('Processes of this deployment, which share the quota of each vault. See [Limits](operating.md#limits).'),
  budgetPerSecond: z
    .number()
    .min(0.1)
    .max(10_000)
    .optional()
    .describe(
      "Calls to one vault by one process; by default 90 % of the vault's quota for its keys, divided by processes.",
    ),
  budgetBurst: z
    .int()
    .min(1)
    .max(10_000)
    .optional()
    .describe('Calls that may come at once; by default what budgetPerSecond allows in 2 s.'),
}).refine(({ budgetPerSecond, budgetBurst }) => budgetBurst === undefined || budgetPerSecond !== undefined, {
  path: ['budgetBurst'],
  message: 'goes with budgetPerSecond',
});

const Metrics = section({
  enabled: z.boolean().default(false).describe('Prometheus metrics at `/metrics`, on a listener of their own.'),
  host: z
    .string()
    .default('127.0.0.1')
    .describe('Address of the metrics. It speaks plain HTTP: use one that only the monitoring reaches.'),
  port: z.int().min(0).max(65_535).default(9464).describe('Port of the metrics.'),
  tenantLabels: z.boolean().default(false).describe('Count requests by tenant too.'),
  maxTenants: z
    .int()
    .min(1)
    .max(10_000)
    .default(200)
    .describe('Tenants with a label of their own; all others are `_other`.'),
});

const Telemetry = section({
  logLevel: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe('Lowest level to log. Logs are JSON lines on standard output.'),
  otlpEndpoint: z
    .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
    .transform((url) => url.replace(/\/$/, ''))
    .optional()
    .describe(
      'Collector of traces (OTLP over HTTP with JSON), without `/v1/traces`; also as `OTEL_EXPORTER_OTLP_ENDPOINT`. Without it there are no traces.',
    ),
  sampleRatio: z
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe('Part of the requests to trace, of those that come without a trace context.'),
  tenantIds: z.boolean().default(false).describe('Show ids of tenants and addresses of their vaults in traces.'),
});

const Audit = section({
  directory: z
    .string()
    .min(1)
    .default('audit')
    .describe('Folder where each process writes its chain: [audit.md](audit.md).'),
  durability: z
    .enum(['write', 'fsync'])
    .default('write')
    .describe(
      'What a record survives once the answer is sent: `write`, a crash of the process; `fsync`, a crash of the machine.',
    ),
  maxFileBytes: z
    .int()
    .min(64 * 1024)
    .max(1024 * MIB)
    .default(64 * MIB)
    .describe('Size at which a chain continues in a new file, as it does at each midnight UTC.'),
  retentionDays: z
    .int()
    .min(1)
    .max(36_500)
    .optional()
    .describe('Days after which records are removed. Without it they stay.'),
  database: z
    .boolean()
    .optional()
    .describe(
      'Records are shipped from the files into PostgreSQL, where those of all processes are together. By default where `database.url` is set.',
    ),
  maxSpoolBytes: z
    .int()
    .min(MIB)
    .max(2 ** 40)
    .default(1024 * MIB)
    .describe('Most bytes that wait in files for the database; beyond it no request is answered.'),
  keepShippedSeconds: seconds(0, 30 * 24 * HOUR)
    .default(24 * HOUR)
    .describe('How long a file stays after the database has its records, in case the database loses them.'),
});

/** Everything that can be set, with its default and its bounds. Durations are in seconds. */
export const ConfigSchema = z
  .strictObject({
    http: Http,
    callers: z
      .array(Caller)
      .min(1)
      .superRefine((callers, ctx) => {
        for (const { index, earlier } of overlaps(callers)) {
          const message = `accepts the same tokens as callers.${earlier}: make one entry of the two`;
          ctx.addIssue({ code: 'custom', path: [index, 'issuer'], message });
        }
      })
      .describe('Who may call: issuers of tokens.'),
    home: Home,
    cloud: Cloud,
    registry: section({
      file: z
        .string()
        .min(1)
        .optional()
        .describe('A static list of tenants, YAML or JSON, as below. Without it they are in the database.'),
    }),
    database: Database,
    rounds: section({
      enabled: z.boolean().default(true).describe('Check every tenant at regular intervals; processes share the work.'),
      intervalSeconds: seconds(60, 30 * 24 * HOUR)
        .default(HOUR)
        .describe('Pause between two checks of a tenant; its record may have its own.'),
      maxConcurrent: z.int().min(1).max(256).default(16).describe('Checks in progress in one process.'),
      webhookUrl: httpsUrl
        .optional()
        .describe(
          "Address that is told of every change of a tenant's state, signed by `vaultspan-webhook-key` (Standard Webhooks).",
        ),
    }),
    dataKeys: DataKeys,
    revocation: section({
      boundSeconds: seconds(0, HOUR)
        .default(300)
        .describe('Longest use of a data key without a proof of access; 0 asks the vault for each request.'),
      tokenMaxAgeSeconds: seconds(60, 24 * HOUR)
        .optional()
        .describe(
          'Oldest Entra token in use: a disabled app is refused within it and the bound. By default half the bound, at least 60.',
        ),
    }),
    vault: Vault,
    audit: Audit,
    metrics: Metrics,
    telemetry: Telemetry,
    emulator: z
      .strictObject({
        unsafeAllowEmulator: z
          .literal(true)
          .describe('Admits vaults on loopback and relaxes checks of the SDK. serve refuses it.'),
        caFile: z.string().min(1),
        identityEndpoint: z.url(),
        identityHeader: z.string().min(1),
      })
      .optional()
      .describe('Written by vaultspan dev.'),
  })
  .refine(({ audit, database }) => audit.database !== true || database.url !== undefined, {
    path: ['audit', 'database'],
    message: 'needs a PostgreSQL in database.url',
  });

/** What the file and the environment say, checked. */
export type Settings = Readonly<z.output<typeof ConfigSchema>>;
