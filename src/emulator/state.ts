import type { webcrypto } from 'node:crypto';

/**
 * The whole state of the emulated Azure, as plain JSON: memory and state file hold the same. Times
 * ending in `Ms` are epoch milliseconds; `created`, `updated`, `nbf`, `exp` are epoch seconds as on
 * the wire.
 */
export interface State {
  readonly formatVersion: 1;
  readonly ca: PemPair;
  leaf: PemPair;
  /** Signs every tenant's tokens, as Entra's keys do. */
  readonly signingKey: { readonly kid: string; readonly privateJwk: webcrypto.JsonWebKey };
  readonly managedIdentityHeader: string;
  readonly homeTenantId: string;
  readonly appId: string;
  readonly callerAudience: string;
  readonly callers: CallerState[];
  tokenLifetimeSeconds: number;
  readonly apps: AppState[];
  readonly tenants: TenantState[];
  /** The first is the home vault; their order gives the ports. */
  readonly vaults: VaultState[];
  /** Data collection rules; absent in a state from before there were any. */
  rules?: readonly RuleState[];
}

/** A data collection rule of a customer, whose endpoint is the authority host. */
export interface RuleState {
  /** Its immutable id. */
  readonly ruleId: string;
  readonly tenantId: string;
  readonly stream: string;
  /** Object ids with the role Monitoring Metrics Publisher on it. */
  publishers: readonly string[];
}

export interface PemPair {
  readonly certPem: string;
  readonly keyPem: string;
}

export interface CallerState {
  readonly name: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly roles: readonly string[];
}

/**
 * An app registration. It belongs to one tenant; a multi-tenant app may have service principals in
 * others.
 */
export interface AppState {
  readonly appId: string;
  readonly name: string;
  readonly homeTenantId: string;
  readonly isMultiTenant: boolean;
  secrets: AppSecret[];
  certificates: AppCertificate[];
  federatedCredentials: FederatedCredential[];
  /** Of a single-page app: where the browser may be sent back to; absent for other apps. */
  redirectUris?: readonly string[];
}

export interface AppSecret {
  readonly keyId: string;
  readonly value: string;
  expiresMs: number;
}

interface AppCertificate {
  /** SHA-1 in upper-case hexadecimal, as the portal shows it. */
  readonly thumbprint: string;
  readonly certPem: string;
}

interface FederatedCredential {
  readonly name: string;
  /** `{authority}` stands for the authority host, whose port may differ after a restart. */
  readonly issuer: string;
  readonly subject: string;
  readonly audience: string;
}

export interface TenantState {
  readonly name: string;
  readonly tenantId: string;
  principals: ServicePrincipal[];
  /** Whether Azure Monitor's own service principal is absent, so that nobody gets tokens for it. */
  lacksMonitor?: boolean;
  /** The tenant's data in Graph; absent: nearly none. */
  readonly directory?: DirectoryState;
}

export interface DirectoryState {
  readonly displayName: string;
  /** The first is the initial domain, the last the default. */
  readonly verifiedDomains: readonly string[];
  /** The number of users; their names and ids follow from it. */
  readonly users: number;
  readonly groups: number;
}

export interface ServicePrincipal {
  /** The client id; a managed identity has one too. */
  readonly appId: string;
  readonly objectId: string;
  readonly kind: 'application' | 'managed-identity';
  isEnabled: boolean;
  isBlockedByConditionalAccess: boolean;
  /** App roles on the caller API; empty for every other principal. */
  readonly appRoles: readonly string[];
  /** Application permissions of Graph that were consented to; absent: none. */
  graphPermissions?: readonly string[];
}

export type VaultKind = 'vault' | 'hsm';

export interface VaultState {
  readonly name: string;
  readonly tenantId: string;
  readonly kind: VaultKind;
  accessModel: 'rbac' | 'policy';
  roleAssignments: RoleAssignment[];
  accessPolicies: AccessPolicy[];
  propagationDelayMs: number;
  isDeleted: boolean;
  isFirewalled: boolean;
  hasPurgeProtection: boolean;
  /** Azure answers a read of a disabled key with `enabled: false`; older recordings have 403. */
  disabledKeysReadable: boolean;
  pageSize: number;
  /** 0: unlimited. */
  operationsPerSecond: number;
  /** Absent: a 429 without Retry-After. */
  retryAfterSeconds?: number | undefined;
  readonly keys: VaultItem<KeyVersion>[];
  readonly secrets: VaultItem<SecretVersion>[];
}

/** In force from `fromMs` until `untilMs`: in this way a change takes time to spread. */
interface TimeBound {
  readonly fromMs: number;
  untilMs?: number;
}

export interface RoleAssignment extends TimeBound {
  readonly objectId: string;
  readonly role: string;
  /** Absent: the whole vault. */
  readonly key?: string;
}

interface AccessPolicy extends TimeBound {
  readonly objectId: string;
  readonly keys: readonly string[];
  readonly secrets: readonly string[];
}

/**
 * A key or a secret with its versions in the order of their creation: the last one is the newest.
 */
export interface VaultItem<Version extends ItemVersion> {
  readonly name: string;
  versions: Version[];
  deletedMs?: number | undefined;
}

export interface ItemVersion {
  readonly version: string;
  enabled: boolean;
  nbf?: number | undefined;
  exp?: number | undefined;
  readonly created: number;
  updated: number;
  tags?: Readonly<Record<string, string>> | undefined;
}

export interface KeyVersion extends ItemVersion {
  readonly kty: KeyType;
  readonly jwk: webcrypto.JsonWebKey;
  keyOps: readonly string[];
}

export interface SecretVersion extends ItemVersion {
  readonly value: string;
  contentType?: string | undefined;
}

export type KeyType = 'RSA' | 'RSA-HSM' | 'EC' | 'EC-HSM' | 'oct-HSM';
