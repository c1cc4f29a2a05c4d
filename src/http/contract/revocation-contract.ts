import * as z from 'zod';
import { named, TenantParams } from './fields.ts';
import { BODY_ERRORS, type Operation } from './operation.ts';

const SHORTEST_SECONDS = 10;
const LONGEST_SECONDS = 7_200;

const time = z.string().meta({ format: 'date-time' });
const seconds = z.number();

const DrillRequest = named(
  'DrillRequest',
  z.strictObject({
    maxSeconds: z
      .int32()
      .min(SHORTEST_SECONDS)
      .max(LONGEST_SECONDS)
      .exactOptional()
      .meta({ description: 'The drill ends by itself after this time. Default: 3600.' }),
  }),
);

const DrillAttempts = named(
  'DrillAttempts',
  z.object({
    outcome: z.string().meta({ description: '`allowed`, `refused`, or `failed`: an outage.' }),
    code: z.string().optional(),
    reason: z.string().optional(),
    scope: z.string().optional().meta({ description: 'Of a refusal: `key`, or `tenant`: that of a sign-in.' }),
    keyId: z.string().optional(),
    vaultRequestId: z.string().optional().meta({ description: "CorrelationId in the customer's vault log." }),
    vaultClientRequestId: z.string().optional(),
    auditRequestId: z.string().meta({ description: '`requestId` of the audit record.' }),
    from: time,
    to: time,
  }),
);

const DrillTrack = named(
  'DrillTrack',
  z.object({
    process: z.string(),
    mode: z.string().meta({ description: '`warm`: with the keys in memory. `cold`: with a new sign-in each time.' }),
    usedForSeconds: seconds.optional(),
    refusedAfterSeconds: seconds.optional(),
    refusedAt: time.optional(),
    backAt: time.optional(),
    attempts: z.array(DrillAttempts),
  }),
);

const state = z.string().meta({
  description:
    '`running`; `finished`: refused and back everywhere; `cancelled`; `timed-out`; or `interrupted`: a process stopped, or the tenant was suspended.',
});
const verdict = z.string().meta({
  description:
    '`held`: every process refused, and none used the key longer than the bound after the first refusal by Azure. `not-held`: one did. `not-shown`: not every process was refused.',
});

const aboutDrill = {
  drillId: z.string(),
  state,
  startedAt: time,
  endedAt: time.optional(),
  startedBy: z.string(),
  boundSeconds: seconds,
};

const DrillReport = named(
  'DrillReport',
  z.object({
    format: z.string(),
    tenantId: z.string(),
    ...aboutDrill,
    signInBoundSeconds: seconds.meta({
      description:
        'The bound for a revocation that only a new sign-in finds, such as a disabled app: the bound and the age of a token.',
    }),
    verdict,
    revokedBy: z.array(z.string()).meta({ description: "The reasons of Azure's refusals." }),
    azureRefusedAt: time.optional(),
    azureBackAt: time.optional(),
    longestUseSeconds: seconds.optional(),
    refusedEverywhereAfterSeconds: seconds.optional(),
    backEverywhereAt: time.optional(),
    tracks: z.array(DrillTrack),
  }),
);

const Drill = named(
  'Drill',
  z.object({
    step: z.string().meta({
      description:
        'What the drill waits for: `starting`, `revoke`, `wait-for-refusals`, `restore`, `wait-for-access` or `over`.',
    }),
    report: DrillReport,
    markdown: z.string().optional().meta({ description: 'The report as Markdown. Absent while the drill runs.' }),
    jws: z.string().optional().meta({
      description:
        'The report as a compact JWS with ES256, signed by the key `vaultspan-receipts`. Absent while the drill runs, and without receipts.',
    }),
  }),
);

const DrillList = named(
  'DrillList',
  z.object({
    drills: z.array(
      named(
        'DrillSummary',
        z.object({
          ...aboutDrill,
          verdict,
          isSigned: z.boolean().optional().meta({
            description: 'Whether the report is signed already; getDrill signs it otherwise. Absent for no.',
          }),
        }),
      ),
    ),
  }),
);

const DrillParams = TenantParams.extend({
  drillId: z
    .string()
    .regex(/^[0-9a-f-]{36}$/, 'must be the id of a drill')
    .meta({ example: '0b5c2f7e-6a51-4a1e-9d0c-3f2b7a9c1d44' }),
});

const EXAMPLE = {
  step: 'revoke',
  report: {
    format: 'vaultspan-drill-1',
    tenantId: 'contoso',
    drillId: '0b5c2f7e-6a51-4a1e-9d0c-3f2b7a9c1d44',
    state: 'running',
    startedAt: '2026-11-26T20:00:00.000Z',
    startedBy: 'https://login.example/ operator',
    boundSeconds: 300,
    signInBoundSeconds: 450,
    verdict: 'not-shown',
    revokedBy: [],
    tracks: [],
  },
};

/** Drills: the customer revokes access and restores it, and every process reports what it saw. */
export const drillOperations = {
  startDrill: {
    auditedAs: 'drill-start',
    method: 'post',
    path: '/tenants/{tenantId}/drills',
    tag: 'Drills',
    summary: 'Start a drill of a revocation',
    description:
      "Every process decrypts a sample each second, with its keys in memory and with a new sign-in, while the customer revokes access in a way of its choice and restores it. It ends when every process was refused and has access again. Each process makes one sign-in and two calls of the customer's vault a second. A tenant has one drill at a time.",
    role: 'Tenants.Manage',
    params: TenantParams,
    body: DrillRequest,
    bodyExample: { maxSeconds: 1_800 },
    response: Drill,
    responseExample: { ...EXAMPLE, step: 'starting' },
    errors: [...BODY_ERRORS, 'tenant-not-found', 'tenant-suspended', 'drill-running', 'registry-unavailable'],
  },
  listDrills: {
    auditedAs: 'drill-list',
    method: 'get',
    path: '/tenants/{tenantId}/drills',
    tag: 'Drills',
    summary: 'List the drills of a tenant',
    description: 'The newest first, on one page: the last 20 drills of a tenant are kept.',
    role: 'Tenants.Read',
    params: TenantParams,
    response: DrillList,
    responseExample: {
      drills: [
        {
          drillId: EXAMPLE.report.drillId,
          state: 'finished',
          startedAt: '2026-11-26T20:00:00.000Z',
          endedAt: '2026-11-26T20:07:30.000Z',
          startedBy: EXAMPLE.report.startedBy,
          boundSeconds: 300,
          verdict: 'held',
          isSigned: true,
        },
      ],
    },
    errors: ['malformed-request', 'tenant-not-found', 'registry-unavailable'],
  },
  getDrill: {
    auditedAs: 'drill-read',
    method: 'get',
    path: '/tenants/{tenantId}/drills/{drillId}',
    tag: 'Drills',
    summary: 'Read a drill and its report',
    description:
      'Returns the result so far, and once the drill ended the signed report. The last 20 drills of a tenant are kept.',
    role: 'Tenants.Read',
    params: DrillParams,
    response: Drill,
    responseExample: EXAMPLE,
    errors: [
      'malformed-request',
      'tenant-not-found',
      'drill-not-found',
      'vault-unavailable',
      'home-credential-rejected',
      'registry-unavailable',
    ],
  },
  cancelDrill: {
    auditedAs: 'drill-cancel',
    method: 'delete',
    path: '/tenants/{tenantId}/drills/{drillId}',
    tag: 'Drills',
    summary: 'Cancel a drill',
    description: 'The report keeps what was seen until then. A drill that has ended stays as it is.',
    role: 'Tenants.Manage',
    params: DrillParams,
    errors: ['malformed-request', 'tenant-not-found', 'drill-not-found', 'registry-unavailable'],
  },
} as const satisfies Record<string, Operation>;

/** The events of Event Grid's own schema; of the validation, the code to return. */
const EventGridEvents = z
  .array(
    z.looseObject({
      data: z
        .looseObject({
          validationCode: z
            .string()
            .regex(/^[\w-]{1,128}$/)
            .optional(),
        })
        .optional(),
    }),
  )
  .min(1)
  .max(10);

const WebhookValidation = named('WebhookValidation', z.object({ validationResponse: z.string() }));

/** The bell that a customer rings after a revocation. */
export const doorbellOperations = {
  ringDoorbell: {
    auditedAs: 'doorbell',
    method: 'post',
    path: '/doorbell/{bell}',
    tag: 'Doorbell',
    summary: "Make every process ask the customer's vault again",
    description:
      "For the customer, after it has revoked access: within a second every process drops the tenant's data keys, sign-ins and proofs of access, and must ask the vault at the next use. It cannot grant anything. The answer is 202 for every bell, known or not. A bell has an effect at most once in 10 s, and all callers together are limited: a ring that could not take effect is refused with 503. A body is ignored, so an Event Grid subscription of the vault can ring too. A request with the header `aeg-event-type: SubscriptionValidation` does not ring: it gets 200 with the code of its event, and OPTIONS with `WebHook-Request-Origin` answers the handshake of CloudEvents, both for every bell.",
    params: z.object({
      bell: z.string().meta({
        description: 'The bell that `vaultspan bell show` printed: 43 characters of base64url.',
        example: 'q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA',
      }),
    }),
    body: EventGridEvents,
    bodyWith: { header: 'aeg-event-type', value: 'SubscriptionValidation' },
    isAccepted: true,
    response: WebhookValidation,
    responseExample: { validationResponse: '512d38b6-c7b8-40c8-89fe-f46f9e9622b6' },
    errors: ['registry-unavailable', ...BODY_ERRORS],
  },
} as const satisfies Record<string, Operation>;
