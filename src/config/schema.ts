import * as z from 'zod';
import { issuerProblem, overlaps } from '../callers/issuer-forms.ts';
import { postgresUrlProblem } from '../lib/postgres-url.ts';

const MIB = 1024 * 1024;
const HOUR = 3_600;
const httpsUrl = z
  .url({ protocol: /^https$/, error: 'must be an https URL' })
  .transform((url) => url.replace(/\/$/, ''));
const guid = z.guid().transform((id) => id.toLowerCase());
const section = <T extends z.ZodRawShape>(shape: T) => z.strictObject(shape).prefault({} as never);
const seconds = (min: number, max: number) => z.int().min(min).max(max);

const Http = section({
  host: z
    .string()
    .default('127.0.0.1')
    .describe('Address to listen on. Plain HTTP leaves 127.0.0.1 only with tls: terminated-upstream.'),
  port: z.int().min(0).max(65_535).default(8080),
  reusePort: z.boolean().default(false).describe('Any number of processes of this user share the port (Linux).'),
  tls: z
    .enum(['none', 'terminated-upstream', 'certificate'])
    .default('none')
    .describe('terminated-upstream: a proxy in front speaks TLS; certificate: the service itself.'),
  certificateFile: z.string().min(1).optional().describe("PEM: the server's certificate, then its issuers."),
  keyFile: z.string().min(1).optional().describe('PEM: its private key, not encrypted.'),
  clientCaFile: z
    .string()
    .min(1)
    .optional()
    .describe('PEM: authorities of which every client must show a certificate (mutual TLS).'),
  maxPlaintextBytes: z
    .int()
    .min(1_024)
    .max(24 * MIB)
    .default(MIB)
    .describe('Largest plaintext of one message.'),
  maxConcurrent: z
    .int()
    .min(8)
    .max(100_000)
    .default(2_000)
    .describe('Requests under way in one process; more are shed.'),
  maxBufferedBytes: z
    .int()
    .min(MIB)
    .max(64 * 1024 * MIB)
    .default(128 * MIB)
    .describe('Bytes of JSON bodies under way in one process; requests with more are shed.'),
  callerRequestsPerSecond: z
    .number()
    .min(0)
    .max(1_000_000)
    .default(10_000)
    .describe('Of each caller, in one process; each item of a batch counts. 0 for no limit.'),
  callerBurst: z
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe('Requests of a caller that may come at once; by default what it may send in 2 s.'),
  drainSeconds: seconds(0, 300).default(25).describe('Longest wait for requests under way after SIGTERM.'),
})
  .refine(({ host, tls }) => isLoopback(host) || tls !== 'none', {
    path: ['host'],
    message:
      'plain HTTP is for 127.0.0.1 only: set tls: certificate, or put a TLS proxy in front and set tls: terminated-upstream',
  })
  .refine(({ tls, certificateFile, keyFile }) => tls !== 'certificate' || (certificateFile && keyFile), {
    path: ['tls'],
    message: 'certificate needs certificateFile and keyFile',
  })
  .refine(
    ({ tls, ...files }) => tls === 'certificate' || !(files.certificateFile || files.keyFile || files.clientCaFile),
    { path: ['tls'], message: 'certificateFile, keyFile and clientCaFile go with tls: certificate' },
  )
  .refine(({ reusePort, port }) => !reusePort || port !== 0, {
    path: ['reusePort'],
    message: 'processes can share a port that has a number only',
  })
  .refine(({ maxPlaintextBytes, maxBufferedBytes }) => maxBufferedBytes >= 4 * maxPlaintextBytes, {
    path: ['maxBufferedBytes'],
    message: 'must be at least 4 times maxPlaintextBytes, so that a few of the largest bodies find room',
  });

const Caller = z.strictObject({
  issuer: z
    .url({ protocol: /^https$/ })
    .superRefine((issuer, ctx) => {
      const message = issuerProblem(issuer);
      if (message !== undefined) ctx.addIssue({ code: 'custom', message });
    })
    .describe("The token's iss, exactly. For Entra either form (v1 or v2) admits both."),
  audience: z
    .array(z.string().min(1))
    .min(1)
    .describe("The token's aud: the id of this API's own single-tenant registration."),
  jwksUrl: httpsUrl
    .optional()
    .describe('Where the keys of the issuer are; by default its OpenID discovery document tells.'),
  rolesClaim: z.string().min(1).default('roles'),
  subjectClaim: z
    .enum(['azp', 'appid', 'sub'])
    .optional()
    .describe("Claim that names the caller; by default azp or appid by the form of Entra's issuer, sub of others."),
  limits: z
    .record(z.string(), z.array(z.string()))
    .optional()
    .describe("By subject, the only tenants it may name; '*' for all. A subject that isn't listed may name none."),
});

const secretNameSchema = z.string().regex(/^[0-9A-Za-z-]{1,127}$/, 'must be 1 to 127 of 0-9, A-Z, a-z and -');

const Home = z.strictObject({
  tenantId: guid.describe("The vendor's own directory."),
  appId: guid.describe('Application (client) id of the multi-tenant app.'),
  vaultUrl: httpsUrl.describe("The vendor's own vault, with the app's secret and the origin key."),
  credential: z
    .enum(['client-secret', 'certificate', 'vault-signed', 'managed-identity'])
    .default('client-secret')
    .describe(
      'How the app signs in: by a secret or a certificate of the home vault, by a key that never leaves it, or by a federated identity.',
    ),
  certificateName: secretNameSchema.default('vaultspan-app'),
  secretName: secretNameSchema.default('vaultspan-client-secret'),
  identity: z
    .enum(['default', 'managed-identity'])
    .default('default')
    .describe('What opens the home vault: DefaultAzureCredential, or the managed identity of this machine.'),
  managedIdentityClientId: guid.optional().describe('Of a user-assigned identity.'),
});

const suffix = z.string().regex(/^\.[a-z0-9.-]+$/, 'must be a host suffix such as .vault.azure.net');
const Cloud = section({
  name: z.enum(['public', 'usgov', 'china', 'custom']).default('public'),
  authorityHost: httpsUrl.optional().describe('Of a custom cloud.'),
  graphEndpoint: httpsUrl.optional().describe('Of a custom cloud; its authorityHost without it.'),
  vaultSuffix: suffix.optional().describe('Of a custom cloud.'),
  managedHsmSuffix: suffix.optional().describe('Of a custom cloud.'),
  exchangeAudience: z.string().optional().describe('Of federated tokens in a custom cloud.'),
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
  mode: z.enum(['cached', 'perMessage']).default('cached'),
  maxAgeSeconds: seconds(1, 24 * HOUR).default(HOUR),
  maxMessages: z
    .int()
    .min(1)
    .max(2 ** 32)
    .default(2 ** 24),
  maxBytes: z
    .int()
    .min(32 * MIB)
    .max(2 ** 40)
    .default(64 * 1024 * MIB),
});

const postgresUrl = z.string().superRefine((text, ctx) => {
  const message = postgresUrlProblem(text);
  if (message !== undefined) ctx.addIssue({ code: 'custom', message });
});

const Database = section({
  url: postgresUrl.optional().describe('PostgreSQL, also as DATABASE_URL; without it SQLite.'),
  directUrl: postgresUrl.optional().describe('PostgreSQL past a transaction pooler, for notifications.'),
  file: z.string().min(1).default('vaultspan.db').describe('SQLite.'),
  password: z
    .enum(['url', 'entra'])
    .default('url')
    .describe("entra: a token of this machine's identity instead of a password."),
  tls: z.enum(['off', 'require', 'verify-full']).optional().describe("By default what the URL's sslmode says."),
  caFile: z.string().min(1).optional().describe("Authorities to trust instead of the system's, PEM."),
  maxConnections: z.int().min(2).max(100).default(10),
  statementTimeoutSeconds: seconds(1, 300).default(5),
  migrate: z.enum(['at-start', 'by-command']).default('at-start'),
});

const Vault = section({
  requireTenantTag: z
    .boolean()
    .default(true)
    .describe(
      'A key is used only while its tag vaultspan-tenant names the tenant, so that no other tenant can register it.',
    ),
  deadlineSeconds: seconds(1, 60)
    .default(10)
    .describe('Longest wait for one vault call, its sign-in and its retry included.'),
  maxConcurrent: z.int().min(1).max(1_000).default(32).describe('Calls to one vault under way in one process.'),
  processes: z
    .int()
    .min(1)
    .max(1_000)
    .default(1)
    .describe('Processes of this deployment, which share the quota of each vault.'),
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
  enabled: z.boolean().default(false).describe('Prometheus metrics at /metrics of a listener of their own.'),
  host: z.string().default('127.0.0.1').describe('Plain HTTP: an address that only the monitoring reaches.'),
  port: z.int().min(0).max(65_535).default(9464),
  tenantLabels: z.boolean().default(false).describe('Requests by tenant too.'),
  maxTenants: z.int().min(1).max(10_000).default(200).describe('Tenants with a label; all others are `_other`.'),
});

const Telemetry = section({
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  otlpEndpoint: z
    .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
    .transform((url) => url.replace(/\/$/, ''))
    .optional()
    .describe(
      'Collector of traces, OTLP over HTTP with JSON, without /v1/traces; also as OTEL_EXPORTER_OTLP_ENDPOINT.',
    ),
  sampleRatio: z.number().min(0).max(1).default(1).describe('Part of the requests without a trace context to trace.'),
  tenantIds: z.boolean().default(false).describe('Ids of tenants and addresses of their vaults in traces.'),
});

const Audit = section({
  directory: z.string().min(1).default('audit'),
  durability: z
    .enum(['write', 'fsync'])
    .default('write')
    .describe('What a record has survived before the answer: a crash of the process, or of the machine.'),
  maxFileBytes: z
    .int()
    .min(64 * 1024)
    .max(1024 * MIB)
    .default(64 * MIB)
    .describe('Size at which a chain goes on in a new file; so it does at each midnight of UTC.'),
  retentionDays: z.int().min(1).max(36_500).optional().describe('Older records are removed; without it they stay.'),
  database: z
    .boolean()
    .optional()
    .describe('Records go on from the files into PostgreSQL; by default where database.url is one.'),
  maxSpoolBytes: z
    .int()
    .min(MIB)
    .max(2 ** 40)
    .default(1024 * MIB)
    .describe('Most bytes that wait in files for the database; at more, nothing is answered.'),
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
        .describe('The static list of tenants, YAML or JSON; without it they are in the database.'),
    }),
    database: Database,
    rounds: section({
      enabled: z.boolean().default(true),
      intervalSeconds: seconds(60, 30 * 24 * HOUR)
        .default(HOUR)
        .describe('Between visits of a tenant; its record may have its own.'),
      maxConcurrent: z.int().min(1).max(256).default(16).describe('Visits under way in one process.'),
      webhookUrl: httpsUrl.optional().describe("Told of every change of a tenant's state."),
    }),
    dataKeys: DataKeys,
    revocation: section({
      boundSeconds: seconds(0, HOUR)
        .default(300)
        .describe('Longest use of a data key without a proof of access; 0 asks the vault each time.'),
      tokenMaxAgeSeconds: seconds(60, 24 * HOUR)
        .optional()
        .describe('Oldest token of Entra in use; by default half the bound, at least 60.'),
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

function isLoopback(host: string): boolean {
  return host === '127.0.0.1' || host === '::1' || host === 'localhost';
}
