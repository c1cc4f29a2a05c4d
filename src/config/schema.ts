import * as z from 'zod';
import { overlaps } from '../callers/issuer-forms.ts';
import { postgresUrlProblem } from '../lib/postgres-url.ts';
import { Audit, Quota, Receipts, Siem } from './schema-audit.ts';
import { BranchKeys } from './schema-branch-keys.ts';
import { audienceFor, Console, isAuthority } from './schema-console.ts';
import { Caller, Http } from './schema-http.ts';
import { guid, HOUR, httpsUrl, MIB, seconds, secretName, section } from './schema-kinds.ts';
import { Onboarding } from './schema-onboarding.ts';

const Home = z.strictObject({
  tenantId: guid.describe("The vendor's own directory."),
  appId: guid.describe('Application (client) id of the multi-tenant app.'),
  vaultUrl: httpsUrl.describe("The vendor's own vault, with the app's secret and the origin key."),
  credential: z
    .enum(['client-secret', 'certificate', 'vault-signed', 'managed-identity', 'workload-identity'])
    .default('client-secret')
    .describe(
      'How the app signs in. `client-secret` and `certificate` (PEM or PFX) are in the home vault. `vault-signed` is a certificate whose key never leaves that vault. `managed-identity` (the user-assigned identity of the machine) and `workload-identity` (the service account of the pod on AKS) are federated, so there is no secret.',
    ),
  certificateName: secretName.default('vaultspan-app').describe('Name of the certificate in the home vault.'),
  secretName: secretName.default('vaultspan-client-secret').describe('Name of the client secret in the home vault.'),
  identity: z
    .enum(['default', 'managed-identity'])
    .default('default')
    .describe('Identity that reads the home vault: DefaultAzureCredential, or the managed identity of this machine.'),
  managedIdentityClientId: guid.optional().describe('Client id of a user-assigned identity.'),
  federatedTokenFile: z
    .string()
    .min(1)
    .default('/var/run/secrets/azure/tokens/azure-identity-token')
    .describe('For `workload-identity`: the file with the projected token of the service account.'),
});

const suffix = z.string().regex(/^\.[a-z0-9.-]+$/, 'must be a host suffix such as .vault.azure.net');
const Cloud = section({
  name: z
    .enum(['public', 'usgov', 'china', 'custom'])
    .default('public')
    .describe('The cloud of this deployment. `custom` needs `cloud.authorityHost` and `cloud.vaultSuffix`.'),
  authorityHost: httpsUrl.optional().describe('Sign-in URL of a custom cloud.'),
  graphEndpoint: httpsUrl.optional().describe('Graph URL of a custom cloud. By default its `authorityHost`.'),
  vaultSuffix: suffix.optional().describe('Suffix of the vault hosts of a custom cloud.'),
  managedHsmSuffix: suffix
    .optional()
    .describe('Suffix of the Managed HSM hosts of a custom cloud. By default its `vaultSuffix`.'),
  ingestionSuffix: suffix
    .optional()
    .describe('Suffix of the data collection endpoints of a custom cloud. By default `.ingest.monitor.azure.com`.'),
  exchangeAudience: z.string().optional().describe('Audience of federated tokens. By default that of the cloud.'),
}).refine(
  ({ name, authorityHost, graphEndpoint, vaultSuffix, managedHsmSuffix, ingestionSuffix }) =>
    name === 'custom'
      ? authorityHost !== undefined && vaultSuffix !== undefined
      : [authorityHost, graphEndpoint, vaultSuffix, managedHsmSuffix, ingestionSuffix].every(
          (address) => address === undefined,
        ),
  {
    path: ['name'],
    message: 'authorityHost and vaultSuffix are required with name: custom; the addresses are only allowed with it',
  },
);

const DataKeys = section({
  mode: z
    .enum(['cached', 'perMessage'])
    .default('cached')
    .describe('`perMessage`: a data key for each message, wrapped with the public key.'),
  maxAgeSeconds: seconds(1, 24 * HOUR)
    .default(HOUR)
    .describe('Maximum age of a data key that encrypts.'),
  maxMessages: z
    .int()
    .min(1)
    .max(2 ** 32)
    .default(2 ** 24)
    .describe('Maximum number of messages under one data key.'),
  maxBytes: z
    .int()
    .min(32 * MIB)
    .max(2 ** 40)
    .default(64 * 1024 * MIB)
    .describe('Maximum plaintext bytes under one data key.'),
});

const postgresUrl = z.string().superRefine((text, ctx) => {
  const message = postgresUrlProblem(text);
  if (message !== undefined) ctx.addIssue({ code: 'custom', message });
});

const Database = section({
  url: postgresUrl
    .optional()
    .describe(
      'PostgreSQL: `postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE`, also as `DATABASE_URL`. By default SQLite is used.',
    ),
  directUrl: postgresUrl
    .optional()
    .describe(
      'Direct connection to PostgreSQL, without a transaction pooler, for notifications and migrations. By default `database.url`.',
    ),
  file: z.string().min(1).default('vaultspan.db').describe('SQLite database, used without `database.url`.'),
  password: z
    .enum(['url', 'entra'])
    .default('url')
    .describe("`entra`: a token of this machine's identity for Azure Database for PostgreSQL."),
  tls: z
    .enum(['off', 'require', 'verify-full'])
    .optional()
    .describe("By default the URL's `sslmode`; without one `verify-full`, unless the server is this machine."),
  caFile: z.string().min(1).optional().describe("PEM: certificate authorities to trust instead of the system's."),
  maxConnections: z.int().min(2).max(100).default(10).describe('Maximum number of connections of one process.'),
  statementTimeoutSeconds: seconds(1, 300).default(5).describe('Time limit of one statement.'),
  migrate: z
    .enum(['at-start', 'by-command'])
    .default('at-start')
    .describe('`by-command`: only `vaultspan migrate` migrates the schema, not the start of the service.'),
});

const Vault = section({
  requireTenantTag: z
    .boolean()
    .default(true)
    .describe(
      'Use a key only while its tag `vaultspan-tenant` names the tenant, so that no other tenant can register it. Onboarding sets the tag. See [Upgrade to required tags](operating.md#upgrade-to-required-tags).',
    ),
  deadlineSeconds: seconds(1, 60)
    .default(10)
    .describe('Time limit of one vault call, including its sign-in and its retry.'),
  maxConcurrent: z
    .int()
    .min(1)
    .max(1_000)
    .default(32)
    .describe('Maximum number of concurrent calls to one vault. `http.processes` share it.'),
  processes: z
    .int()
    .min(1)
    .max(1_000)
    .default(1)
    .describe(
      'Number of services (`vaultspan serve`) of this deployment, which share the quota of each vault, each with its `http.processes`. See [Limits](operating.md#limits).',
    ),
  budgetPerSecond: z
    .number()
    .min(0.1)
    .max(10_000)
    .optional()
    .describe(
      "Calls per second to one vault; `http.processes` share them. By default 90 % of the vault's quota for its keys, divided by `processes`.",
    ),
  budgetBurst: z
    .int()
    .min(1)
    .max(10_000)
    .optional()
    .describe('Calls that may be made at once. By default the calls that `budgetPerSecond` allows in 2 s.'),
}).refine(({ budgetPerSecond, budgetBurst }) => budgetBurst === undefined || budgetPerSecond !== undefined, {
  path: ['budgetBurst'],
  message: 'needs budgetPerSecond',
});

const Metrics = section({
  enabled: z.boolean().default(false).describe('Prometheus metrics at `/metrics`, on a separate listener.'),
  host: z
    .string()
    .default('127.0.0.1')
    .describe('Address of the metrics listener. It serves plain HTTP: use one that only your monitoring can reach.'),
  port: z.int().min(0).max(65_535).default(9464).describe('Port of the metrics listener.'),
  tenantLabels: z.boolean().default(false).describe('Count requests by tenant too.'),
  maxTenants: z
    .int()
    .min(1)
    .max(10_000)
    .default(200)
    .describe('Maximum number of tenants with their own label; all others are `_other`.'),
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
      'Collector for traces (OTLP over HTTP with JSON), without `/v1/traces`; also as `OTEL_EXPORTER_OTLP_ENDPOINT`. Without it tracing is off.',
    ),
  sampleRatio: z
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe('Fraction of requests to trace among those without a trace context.'),
  tenantIds: z.boolean().default(false).describe('Include ids of tenants and addresses of their vaults in traces.'),
});

/** All settings, with their defaults and bounds. Durations are in seconds. */
export const ConfigSchema = z
  .strictObject({
    http: Http,
    callers: z
      .array(Caller)
      .min(1)
      .superRefine((callers, ctx) => {
        for (const { index, earlier } of overlaps(callers)) {
          const message = `accepts the same tokens as callers.${earlier}: merge the two entries`;
          ctx.addIssue({ code: 'custom', path: [index, 'issuer'], message });
        }
      })
      .describe("Issuers of the callers' tokens."),
    home: Home,
    cloud: Cloud,
    registry: section({
      file: z
        .string()
        .min(1)
        .optional()
        .describe('A static list of tenants, YAML or JSON, as below. By default tenants are in the database.'),
    }),
    database: Database,
    rounds: section({
      enabled: z.boolean().default(true).describe('Check every tenant at regular intervals; processes share the work.'),
      intervalSeconds: seconds(60, 30 * 24 * HOUR)
        .default(HOUR)
        .describe('Interval between two checks of a tenant; the record of a tenant can override it.'),
      maxConcurrent: z
        .int()
        .min(1)
        .max(256)
        .default(16)
        .describe('Maximum number of concurrent checks. `http.processes` share it.'),
      webhookUrl: httpsUrl
        .optional()
        .describe(
          "URL that receives every change of a tenant's state, signed with `vaultspan-webhook-key` (Standard Webhooks).",
        ),
    }),
    dataKeys: DataKeys,
    accelerator: z
      .enum(['auto', 'off', 'required'])
      .default('auto')
      .describe(
        'The native module for AES-256-GCM of short messages: [operating.md](operating.md#the-native-accelerator). `auto` uses it if it was built and works, except in FIPS mode; `off` never; with `required` the service does not start without it.',
      ),
    branchKeys: BranchKeys,
    revocation: section({
      boundSeconds: seconds(0, HOUR)
        .default(300)
        .describe(
          'Maximum age of a proof of access under which data keys are used; with 0 each request calls the vault.',
        ),
      tokenMaxAgeSeconds: seconds(60, 24 * HOUR)
        .optional()
        .describe(
          'Maximum age of an Entra token: a disabled app is refused within this time and the bound. By default half of the bound, at least 60.',
        ),
    }),
    vault: Vault,
    audit: Audit,
    receipts: Receipts,
    onboarding: Onboarding,
    console: Console,
    siem: Siem,
    quota: Quota,
    metrics: Metrics,
    telemetry: Telemetry,
    emulator: z
      .strictObject({
        unsafeAllowEmulator: z
          .literal(true)
          .describe('Allows vaults on loopback and relaxes checks of the SDK. `serve` rejects it.'),
        caFile: z.string().min(1),
        identityEndpoint: z.url(),
        identityHeader: z.string().min(1),
        signInUrl: z.url().optional(),
      })
      .optional()
      .describe('Written by `vaultspan dev`.'),
  })
  .refine(
    ({ audit, database, receipts }) => receipts.origin === undefined || (audit.database ?? database.url !== undefined),
    { path: ['receipts', 'origin'], message: 'needs the records in the database: set audit.database: true' },
  )
  .refine(
    ({ audit, database, siem }) => siem.otlpEndpoint === undefined || (audit.database ?? database.url !== undefined),
    {
      path: ['siem', 'otlpEndpoint'],
      message: 'needs the records in the database: set audit.database: true',
    },
  )
  .refine(({ audit, database, siem }) => !siem.enabled || (audit.database ?? database.url !== undefined), {
    path: ['siem', 'enabled'],
    message: 'needs the records in the database: set audit.database: true',
  })
  .refine(
    ({ callers, console: { enabled, authority } }) =>
      !enabled || !isAuthority(authority ?? '') || audienceFor(callers, authority ?? '') !== undefined,
    {
      path: ['console', 'authority'],
      message: 'is of a directory whose tokens no entry of callers accepts: add its issuer, AUTHORITY/v2.0',
    },
  );

/** The validated settings of the file and the environment. */
export type Settings = Readonly<z.output<typeof ConfigSchema>>;
