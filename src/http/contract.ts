import type * as z from 'zod';
import type { Role } from '../callers/principal.ts';
import type { ErrorCode } from '../errors.ts';
import { DirectoryFactsAnswer } from './directory-schemas.ts';
import {
  DecryptRequest,
  DecryptResult,
  Document,
  EncryptRequest,
  EncryptResult,
  Health,
  Readiness,
  TenantParams,
  UnwrapRequest,
  UnwrapResult,
  WrapRequest,
  WrapResult,
} from './schemas.ts';
import { OnboardingAnswer, TenantCheckAnswer } from './support-schemas.ts';
import { PageQuery, TenantAnswer, TenantList, TenantPatch, TenantRecord } from './tenant-schemas.ts';

export interface Operation {
  /** `operation` of its audit records, refusals included; absent where only refusals are counted. */
  readonly auditedAs?: string;
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  readonly path: `/${string}`;
  readonly tag: string;
  readonly summary: string;
  readonly description: string;
  /** Role that the caller's token must carry; absent where no token is needed. */
  readonly role?: Role;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** What is printed where the body is checked by the operation, which knows more than the contract. */
  readonly bodyInPrint?: z.ZodType;
  /** Media type of the body; application/json without it. */
  readonly bodyType?: 'application/merge-patch+json';
  /** Takes `If-Match`: required, or to replace what exists. */
  readonly ifMatch?: 'required' | 'to-replace';
  readonly bodyExample?: unknown;
  /** Absent, the answer is 204. */
  readonly response?: z.ZodType;
  readonly responseExample?: unknown;
  /** The answer's `revision` is given as `ETag` too. */
  readonly etag?: true;
  /** What it may answer beside success; what every authenticated call may answer is added when it is printed. */
  readonly errors: readonly ErrorCode[];
}

const VAULT_TROUBLE = [
  'vault-throttled',
  'vault-unavailable',
  'identity-unavailable',
  'home-credential-rejected',
] as const;
const BODY_ERRORS = ['malformed-request', 'body-too-large', 'unsupported-media-type'] as const;
const TENANT_ERRORS = ['tenant-not-found', 'tenant-suspended', 'registry-unavailable'] as const;
const ACCESS_ERRORS = ['access-revoked', 'tenant-misconfigured', ...VAULT_TROUBLE] as const;

const CHANGE_ERRORS = [
  ...BODY_ERRORS,
  'tenant-not-found',
  'registry-read-only',
  'tenant-misconfigured',
  'registry-unavailable',
] as const;

const KEY_ID = 'https://contoso-kv.vault.azure.net/keys/data/0f1e2d3c4b5a69788796a5b4c3d2e1f0';
const WRAP_KEY_ID = 'https://contoso-kv.vault.azure.net/keys/wrap/a1b2c3d4e5f60718293a4b5c6d7e8f90';

const TENANT_RECORD = {
  displayName: 'Contoso',
  entraTenantId: '3e7a90d5-18c4-4b6f-a2d7-94f05c61b8e3',
  keys: { data: { vaultUrl: 'https://contoso-kv.vault.azure.net', name: 'data', use: 'data' } },
  defaultKey: 'data',
};
const TENANT = {
  id: 'contoso',
  ...TENANT_RECORD,
  state: 'active',
  retiredKeys: [],
  origin: 'required',
  requiredContext: [],
  revision: '1',
  createdAt: '2026-11-23T08:00:00.000Z',
  updatedAt: '2026-11-23T08:00:00.000Z',
};

/** Every operation of the API: routes are mounted from it and openapi.yaml is printed from it. */
export const operations = {
  encryptData: {
    auditedAs: 'encrypt',
    method: 'post',
    path: '/tenants/{tenantId}/encrypt',
    tag: 'Data',
    summary: "Encrypt under the customer's own key",
    description:
      "Seals the plaintext with AES-256-GCM under a data key that the customer's Key Vault has wrapped. Warm, no call leaves the service: the vault is asked once per key version and revocation bound whether access still holds. The ciphertext names the key version, so it opens after any rotation.",
    role: 'Data.Encrypt',
    params: TenantParams,
    body: EncryptRequest,
    bodyExample: { plaintext: 'aGVsbG8=', encryptionContext: { purpose: 'invoice', id: '4711' } },
    response: EncryptResult,
    responseExample: { ciphertext: 'eyJhbGciOiJSU0EtT0FFUC0yNTYi….….….….…', keyId: KEY_ID },
    errors: [...BODY_ERRORS, ...TENANT_ERRORS, 'unknown-key-alias', 'key-use', ...ACCESS_ERRORS],
  },
  decryptData: {
    auditedAs: 'decrypt',
    method: 'post',
    path: '/tenants/{tenantId}/decrypt',
    tag: 'Data',
    summary: 'Decrypt what encrypt gave',
    description:
      "Opens a ciphertext of this tenant, given the same encryption context. Keys that were rotated away or retired still open what they sealed, as long as the customer's vault has them.",
    role: 'Data.Decrypt',
    params: TenantParams,
    body: DecryptRequest,
    bodyExample: {
      ciphertext: 'eyJhbGciOiJSU0EtT0FFUC0yNTYi….….….….…',
      encryptionContext: { purpose: 'invoice', id: '4711' },
    },
    response: DecryptResult,
    responseExample: { plaintext: 'aGVsbG8=', keyId: KEY_ID },
    errors: [
      ...BODY_ERRORS,
      ...TENANT_ERRORS,
      'malformed-ciphertext',
      'wrong-tenant',
      'unknown-key',
      'context-mismatch',
      'undecryptable',
      ...ACCESS_ERRORS,
    ],
  },
  wrapKey: {
    auditedAs: 'wrap',
    method: 'post',
    path: '/tenants/{tenantId}/wrap',
    tag: 'Keys',
    summary: "Wrap a key of the caller's own",
    description:
      "Key Vault's own wrapKey for a key that the caller makes and uses itself. One vault call, nothing cached, nothing done locally. Only for keys registered with `use: wrap`.",
    role: 'Keys.Wrap',
    params: TenantParams,
    body: WrapRequest,
    bodyExample: { value: 'MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=', key: 'wrap' },
    response: WrapResult,
    responseExample: { wrappedKey: 'mJ3f…', keyId: WRAP_KEY_ID, algorithm: 'RSA-OAEP-256' },
    errors: [...BODY_ERRORS, ...TENANT_ERRORS, 'unknown-key-alias', 'key-use', ...ACCESS_ERRORS],
  },
  unwrapKey: {
    auditedAs: 'unwrap',
    method: 'post',
    path: '/tenants/{tenantId}/unwrap',
    tag: 'Keys',
    summary: 'Unwrap what wrap gave',
    description: "Key Vault's own unwrapKey, by the same rules as wrap.",
    role: 'Keys.Unwrap',
    params: TenantParams,
    body: UnwrapRequest,
    bodyExample: { wrappedKey: 'mJ3f…', keyId: WRAP_KEY_ID, algorithm: 'RSA-OAEP-256' },
    response: UnwrapResult,
    responseExample: { value: 'MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=', keyId: WRAP_KEY_ID },
    errors: [...BODY_ERRORS, ...TENANT_ERRORS, 'unknown-key', 'key-use', 'undecryptable', ...ACCESS_ERRORS],
  },
  listTenants: {
    auditedAs: 'tenant-list',
    method: 'get',
    path: '/tenants',
    tag: 'Tenants',
    summary: 'List the tenants',
    description: 'Page by page, in the order of ids. A caller that is limited to some tenants sees these alone.',
    role: 'Tenants.Read',
    query: PageQuery,
    response: TenantList,
    responseExample: { tenants: [TENANT] },
    errors: ['malformed-request', 'registry-unavailable'],
  },
  getTenant: {
    auditedAs: 'tenant-read',
    method: 'get',
    path: '/tenants/{tenantId}',
    tag: 'Tenants',
    summary: 'Read a tenant',
    description: 'The record as it is in force.',
    role: 'Tenants.Read',
    params: TenantParams,
    response: TenantAnswer,
    responseExample: TENANT,
    etag: true,
    errors: ['malformed-request', 'tenant-not-found', 'registry-unavailable'],
  },
  putTenant: {
    auditedAs: 'tenant-put',
    method: 'put',
    path: '/tenants/{tenantId}',
    tag: 'Tenants',
    summary: 'Register a tenant, or replace its record',
    description:
      'Without If-Match it creates only; with the ETag that was read it replaces that revision. An id is never given out twice, and a vault key belongs to one tenant.',
    role: 'Tenants.Manage',
    params: TenantParams,
    body: Document,
    bodyInPrint: TenantRecord,
    bodyExample: TENANT_RECORD,
    ifMatch: 'to-replace',
    response: TenantAnswer,
    responseExample: TENANT,
    etag: true,
    errors: [...CHANGE_ERRORS, 'tenant-exists', 'revision-mismatch'],
  },
  patchTenant: {
    auditedAs: 'tenant-patch',
    method: 'patch',
    path: '/tenants/{tenantId}',
    tag: 'Tenants',
    summary: "Change some of a tenant's record",
    description: 'A merge patch (RFC 7396): members replace, `null` removes, objects merge.',
    role: 'Tenants.Manage',
    params: TenantParams,
    body: Document,
    bodyInPrint: TenantPatch,
    bodyType: 'application/merge-patch+json',
    bodyExample: { displayName: 'Contoso Ltd', metadata: { plan: null } },
    ifMatch: 'required',
    response: TenantAnswer,
    responseExample: TENANT,
    etag: true,
    errors: [...CHANGE_ERRORS, 'revision-mismatch', 'precondition-required'],
  },
  deleteTenant: {
    auditedAs: 'tenant-remove',
    method: 'delete',
    path: '/tenants/{tenantId}',
    tag: 'Tenants',
    summary: 'Remove a tenant',
    description: 'Nothing of it opens any more, and its id is never given out again.',
    role: 'Tenants.Manage',
    params: TenantParams,
    ifMatch: 'required',
    errors: [
      'malformed-request',
      'tenant-not-found',
      'registry-read-only',
      'revision-mismatch',
      'precondition-required',
      'registry-unavailable',
    ],
  },
  suspendTenant: {
    auditedAs: 'tenant-suspend',
    method: 'post',
    path: '/tenants/{tenantId}/suspend',
    tag: 'Tenants',
    summary: 'Suspend a tenant',
    description:
      "The vendor's kill switch: refused everywhere within a second; cached data keys and tokens are dropped.",
    role: 'Tenants.Manage',
    params: TenantParams,
    response: TenantAnswer,
    responseExample: { ...TENANT, state: 'suspended' },
    etag: true,
    errors: [
      'malformed-request',
      'tenant-not-found',
      'registry-read-only',
      'revision-mismatch',
      'registry-unavailable',
    ],
  },
  resumeTenant: {
    auditedAs: 'tenant-resume',
    method: 'post',
    path: '/tenants/{tenantId}/resume',
    tag: 'Tenants',
    summary: 'Resume a suspended tenant',
    description: 'Undoes suspend.',
    role: 'Tenants.Manage',
    params: TenantParams,
    response: TenantAnswer,
    responseExample: TENANT,
    etag: true,
    errors: [
      'malformed-request',
      'tenant-not-found',
      'registry-read-only',
      'revision-mismatch',
      'registry-unavailable',
    ],
  },
  checkTenant: {
    auditedAs: 'tenant-check',
    method: 'post',
    path: '/tenants/{tenantId}/check',
    tag: 'Tenants',
    summary: 'Find out why a tenant does not work',
    description:
      'The doctor: configuration, discovery, sign-in, and for each key its vault, read, wrap and unwrap, always with a fresh sign-in. Each step passed, failed with who mends it and how, or was skipped because of another. A 200 tells that the check was made, not that it passed.',
    role: 'Tenants.Manage',
    params: TenantParams,
    response: TenantCheckAnswer,
    responseExample: {
      tenantId: 'contoso',
      state: 'passed',
      at: '2026-11-23T08:00:00.000Z',
      steps: [{ name: 'sign-in', state: 'passed', durationMs: 180 }],
    },
    errors: ['malformed-request', 'tenant-not-found', 'registry-unavailable'],
  },
  getOnboarding: {
    auditedAs: 'tenant-onboarding',
    method: 'get',
    path: '/tenants/{tenantId}/onboarding',
    tag: 'Tenants',
    summary: "Get what the customer's administrator has to do",
    description:
      'Each step with the commands to paste and the ids filled in, how to take it all back, and the whole as a script that can be run twice.',
    role: 'Tenants.Read',
    params: TenantParams,
    response: OnboardingAnswer,
    responseExample: {
      tenantId: 'contoso',
      appId: 'c0b7e1f4-92d6-4f38-8a5b-1d64e93f7a02',
      steps: [
        {
          title: "Add the vendor's app to the directory",
          owner: 'customer-admin',
          explanation: 'Creates a service principal for the app. It may do nothing yet.',
          commands: ['az ad sp create --id c0b7e1f4-92d6-4f38-8a5b-1d64e93f7a02'],
          check: 'sign-in',
        },
      ],
      takeBack: [
        {
          title: 'Remove the app from the directory',
          command: 'az ad sp delete --id c0b7e1f4-92d6-4f38-8a5b-1d64e93f7a02',
        },
      ],
      script: '#!/usr/bin/env bash…',
    },
    errors: ['malformed-request', 'tenant-not-found', 'registry-unavailable'],
  },
  getDirectory: {
    auditedAs: 'directory',
    method: 'get',
    path: '/tenants/{tenantId}/directory',
    tag: 'Tenants',
    summary: "Read facts of the customer's directory",
    description:
      "Optional facts through Microsoft Graph: only those that the tenant's record asks for in `graph`, and only as far as the customer's administrator consented. Each tells its state; with no consent at all the answer is still 200. Always with a fresh sign-in.",
    role: 'Tenants.Read',
    params: TenantParams,
    response: DirectoryFactsAnswer,
    responseExample: {
      organization: {
        state: 'read',
        displayName: 'Contoso Ltd',
        verifiedDomains: ['contoso.onmicrosoft.com', 'contoso.com'],
      },
      users: { state: 'read', count: 250 },
      groups: { state: 'not-consented', permission: 'GroupMember.Read.All' },
    },
    errors: [
      'malformed-request',
      ...TENANT_ERRORS,
      'access-revoked',
      'tenant-misconfigured',
      'identity-unavailable',
      'home-credential-rejected',
      'vault-unavailable',
    ],
  },
  getHealth: {
    method: 'get',
    path: '/healthz',
    tag: 'Health',
    summary: 'Tell whether the process is alive',
    description: 'For liveness probes: 200 as long as the process answers.',
    response: Health,
    responseExample: { status: 'ok' },
    errors: [],
  },
  getReadiness: {
    method: 'get',
    path: '/readyz',
    tag: 'Health',
    summary: 'Tell whether to send requests here',
    description:
      'For readiness probes: 503 only when this process can answer nobody, such as while it drains. Trouble that leaves it useful is told in `degraded`.',
    response: Readiness,
    responseExample: { status: 'ready' },
    errors: ['draining', 'audit-unavailable'],
  },
} as const satisfies Record<string, Operation>;

export type Operations = typeof operations;
export type OperationId = keyof Operations;
