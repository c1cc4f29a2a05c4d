import { TenantParams } from './fields.ts';
import {
  LeaseParams,
  LeaseRequest,
  LeaseResult,
  LeaseUsageRequest,
  OpenLeasesRequest,
  OpenLeasesResult,
  PrintedLeaseUsageRequest,
  PrintedOpenLeasesRequest,
} from './lease-fields.ts';
import { ACCESS_ERRORS, BODY_ERRORS, type Operation, TENANT_ERRORS } from './operation.ts';

const KEY_ID = 'https://contoso-kv.vault.azure.net/keys/data/0f1e2d3c4b5a69788796a5b4c3d2e1f0';
const KID = 'ICEiIyQlJieAAQIDBAUGBw';
const KEY = 'MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=';
const END = { expiresInSeconds: 298, expiresAt: '2026-11-26T08:05:00.000Z' };
const OFF = 'Off unless the record of the tenant has `leases`, and only for keys with `form: compact`.';

/** Keys for clients that encrypt and decrypt where the data is, each for minutes. */
export const leaseOperations = {
  createLease: {
    auditedAs: 'lease',
    method: 'post',
    path: '/tenants/{tenantId}/leases',
    tag: 'Leases',
    summary: 'Lease a key to encrypt with locally',
    description: `Returns the key of a new leaf, with which a client encrypts compact messages (docs/formats.md) without a call until the lease ends. It ends with the proof of access to the customer's key, so at most one revocation bound later, and after \`leases.maxSeconds\` at most. ${OFF} 409 \`key-use\` with a \`reason\` says that the key cannot be leased; 503 with the reason \`branch-not-ready\` is temporary. In both cases use encryptData.`,
    role: 'Keys.Lease',
    alsoNeeds: ['Data.Encrypt'],
    params: TenantParams,
    body: LeaseRequest,
    bodyExample: { key: 'data' },
    response: LeaseResult,
    responseExample: {
      leaseId: 'b5d3a1c0-6f0e-4e5e-9a53-1d8f7c2b4a90',
      kid: KID,
      key: KEY,
      keyId: KEY_ID,
      ...END,
      maxMessages: 16_777_216,
      maxBytes: 68_719_476_736,
      maxPlaintextBytes: 1_048_576,
      requiredContext: ['purpose'],
    },
    errors: [...BODY_ERRORS, ...TENANT_ERRORS, 'unknown-key-alias', 'key-use', ...ACCESS_ERRORS],
  },
  openLeases: {
    auditedAs: 'lease-open',
    method: 'post',
    path: '/tenants/{tenantId}/leases/open',
    tag: 'Leases',
    summary: 'Get the keys of leaves to decrypt with locally',
    description: `Returns one result per message, in the same order: the key of the leaf that encrypted it, or its \`error\`. Each message must decrypt, so send it whole and with its context. Only leaves of leases are given out: for a message that the service itself encrypted the error is \`unknown-key\` with the reason \`not-leased\`, and decryptData decrypts it. ${OFF}`,
    role: 'Keys.Lease',
    alsoNeeds: ['Data.Decrypt', 'Data.Encrypt'],
    params: TenantParams,
    body: OpenLeasesRequest,
    carries: 'batch',
    bodyInPrint: PrintedOpenLeasesRequest,
    bodyExample: { messages: [{ ciphertext: 'eyJhbGciOiJkaXIi…..….….…', encryptionContext: { purpose: 'invoice' } }] },
    response: OpenLeasesResult,
    responseExample: { items: [{ kid: KID, key: KEY, keyId: KEY_ID, ...END }] },
    errors: [...BODY_ERRORS, ...TENANT_ERRORS, 'key-use'],
  },
  reportLeaseUsage: {
    auditedAs: 'lease-usage',
    method: 'post',
    path: '/tenants/{tenantId}/leases/{leaseId}/usage',
    tag: 'Leases',
    summary: 'Report the usage of a lease',
    description:
      'Reports how many messages a client encrypted and decrypted. Every number is the total since the lease began, so a report may be repeated, and an older one that arrives late changes nothing. A lease without a report that has `isFinal` counts as `maxMessages`, unreported, 5 minutes after its end. Reports are accepted until a day after the end, also for a tenant that is suspended or removed.',
    role: 'Keys.Lease',
    params: LeaseParams,
    body: LeaseUsageRequest,
    bodyInPrint: PrintedLeaseUsageRequest,
    bodyExample: { sealed: 1_200, opened: { [KID]: 40 }, bytes: 79_360, isFinal: true },
    errors: [...BODY_ERRORS, 'tenant-not-found', 'lease-not-found', 'registry-unavailable'],
  },
} as const satisfies Record<string, Operation>;
