import * as z from 'zod';
import { issuerProblem } from '../callers/issuer-forms.ts';
import { httpsUrl, MIB, seconds, section } from './schema-kinds.ts';

/** The listener's settings, and its limits. */
export const Http = section({
  host: z.string().default('127.0.0.1').describe('Address to listen on. Any address except loopback needs `http.tls`.'),
  port: z.int().min(0).max(65_535).default(8080).describe('Port to listen on; 0 selects a free one.'),
  reusePort: z
    .boolean()
    .default(false)
    .describe('Let processes of one user that were started separately share the port. Linux only.'),
  processes: z
    .union([z.enum(['auto']), z.int().min(1).max(256)], { error: 'must be auto, or a whole number from 1 to 256' })
    .default(1)
    .describe(
      'Number of processes that `vaultspan serve` starts and replaces on this one port, also as `--processes`. `auto`: one per core of the machine or the container. They share the limits. Linux only. See [All cores](operating.md#all-cores).',
    ),
  tls: z
    .enum(['none', 'terminated-upstream', 'certificate'])
    .default('none')
    .describe('`certificate`: the service terminates TLS itself. `terminated-upstream`: a proxy in front does.'),
  certificateFile: z
    .string()
    .min(1)
    .optional()
    .describe(
      "For `tls: certificate`, PEM: the server's certificate, then its issuers. Read again when the file changes.",
    ),
  keyFile: z
    .string()
    .min(1)
    .optional()
    .describe('For `tls: certificate`, PEM: the unencrypted private key. Read again when the file changes.'),
  clientCaFile: z
    .string()
    .min(1)
    .optional()
    .describe(
      'For `tls: certificate`, PEM: every client must present a certificate of one of these authorities (mutual TLS), in addition to its token.',
    ),
  maxPlaintextBytes: z
    .int()
    .min(1_024)
    .max(24 * MIB)
    .default(MIB)
    .describe('Maximum plaintext of one message, and of a batch in total. The limit on bodies is derived from it.'),
  maxConcurrent: z
    .int()
    .min(8)
    .max(100_000)
    .default(2_000)
    .describe(
      'Maximum number of concurrent requests; more are shed. `http.processes` share it. See [Limits](operating.md#limits).',
    ),
  maxBufferedBytes: z
    .int()
    .min(MIB)
    .max(64 * 1024 * MIB)
    .optional()
    .describe(
      'Maximum bytes of JSON bodies held in memory, at least 4 times `http.maxPlaintextBytes`; more are shed. `http.processes` share it. By default an eighth of the memory of the container above 256 MiB, and between 16 MiB and 1 GiB; each process counts its share of that memory.',
    ),
  queueTargetSeconds: z
    .number()
    .min(0.05)
    .max(60)
    .default(0.5)
    .describe('Target for the wait of large requests; while the wait stays above it, requests are shed.'),
  callerRequestsPerSecond: z
    .number()
    .min(0)
    .max(1_000_000)
    .default(10_000)
    .describe(
      'Requests per second that each caller may send. `http.processes` share it. Each item of a batch counts; 0 means no limit.',
    ),
  callerBurst: z
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe('Requests that a caller may send at once. By default the requests of 2 s.'),
  drainSeconds: seconds(0, 300).default(25).describe('Maximum wait for requests in progress after SIGTERM.'),
})
  .refine(({ host, tls }) => isLoopback(host) || tls !== 'none', {
    path: ['host'],
    message:
      'plain HTTP is allowed on 127.0.0.1 only: set tls: certificate, or put a TLS proxy in front and set tls: terminated-upstream',
  })
  .refine(({ tls, certificateFile, keyFile }) => tls !== 'certificate' || (certificateFile && keyFile), {
    path: ['tls'],
    message: 'certificate needs certificateFile and keyFile',
  })
  .refine(
    ({ tls, ...files }) => tls === 'certificate' || !(files.certificateFile || files.keyFile || files.clientCaFile),
    { path: ['tls'], message: 'certificateFile, keyFile and clientCaFile need tls: certificate' },
  )
  .refine(({ processes, port }) => processes === 1 || port !== 0, {
    path: ['processes'],
    message: 'processes can only share a fixed port, not port 0',
  })
  .refine(({ reusePort, port }) => !reusePort || port !== 0, {
    path: ['reusePort'],
    message: 'processes can only share a fixed port, not port 0',
  })
  .refine(
    ({ maxPlaintextBytes, maxBufferedBytes = Number.POSITIVE_INFINITY }) => maxBufferedBytes >= 4 * maxPlaintextBytes,
    {
      path: ['maxBufferedBytes'],
      message: 'must be at least 4 times maxPlaintextBytes, so that a few of the largest bodies fit',
    },
  );

/** An issuer of callers' tokens. */
export const Caller = z.strictObject({
  issuer: z
    .url({ protocol: /^https$/ })
    .superRefine((issuer, ctx) => {
      const message = issuerProblem(issuer);
      if (message !== undefined) ctx.addIssue({ code: 'custom', message });
    })
    .describe(
      "The token's exact `iss`. For Entra either form, v1 (`https://sts.windows.net/ID/`) or v2 (`https://login.microsoftonline.com/ID/v2.0`), accepts both. Two entries must not accept the same issuer.",
    ),
  audience: z
    .array(z.string().min(1))
    .min(1)
    .describe("The token's `aud`: the id of this API's own single-tenant registration, never the multi-tenant app."),
  jwksUrl: httpsUrl
    .optional()
    .describe("URL of the issuer's keys. By default taken from its OpenID discovery document."),
  rolesClaim: z.string().min(1).default('roles').describe('Claim with the list of roles.'),
  subjectClaim: z
    .enum(['azp', 'appid', 'sub'])
    .optional()
    .describe(
      'Claim that identifies the caller; a token without it is refused. By default `azp` for v2 tokens of Entra, `appid` for its v1 tokens, `sub` for other issuers.',
    ),
  limits: z
    .record(z.string(), z.array(z.string()))
    .optional()
    .describe(
      "`{subject: [tenantId]}`: the tenants that this subject may name, `['*']` for all. If `limits` is set, an unlisted subject may name none.",
    ),
});

function isLoopback(host: string): boolean {
  return host === '127.0.0.1' || host === '::1' || host === 'localhost';
}
