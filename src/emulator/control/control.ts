import type { Cloud } from '../cloud.ts';
import type { Fault, Faults } from '../faults.ts';
import type { IngestedRow } from '../ingestion/ingestion.ts';
import type { Log, RequestLog, RequestLogEntry } from '../request-log.ts';
import type { VaultKind, VaultState } from '../state.ts';
import type { AuditEventRow } from '../vault/audit-log.ts';

/** Members that name a vault or a tenant take its short name: `home`, `contoso`, … */
interface OfVault {
  readonly vault: string;
}

interface OfKey extends OfVault {
  readonly key: string;
}

interface OfTenant {
  readonly tenant: string;
}

interface OfKeyVersion extends OfKey {
  /** The default depends on the action. */
  readonly version?: string;
}

interface OfPrincipal extends OfVault {
  /**
   * `app` (the vendor's app in the vault's tenant; default), `managed-identity`, or an object id.
   */
  readonly principal?: string;
}

export interface KeyReference {
  readonly kid: string;
  readonly version: string;
}

interface AppSecretReference {
  readonly keyId: string;
  /** ISO 8601. */
  readonly expires: string;
}

/**
 * The orders that change the emulated Azure. Over HTTP: `POST /<the name in kebab-case>` with the
 * same members.
 */
export interface Actions {
  grantRole(order: OfPrincipal & { readonly role: string; readonly key?: string }): Promise<void>;
  /** Without `role` or `key`: all that the principal has. */
  removeRole(order: OfPrincipal & { readonly role?: string; readonly key?: string }): Promise<void>;
  setAccessPolicy(
    order: OfPrincipal & { readonly keys?: readonly string[]; readonly secrets?: readonly string[] },
  ): Promise<void>;
  removeAccessPolicy(order: OfPrincipal): Promise<void>;
  /** Without `vault`: all vaults. Applies to later changes only. */
  setPropagationDelay(order: { readonly vault?: string; readonly delayMs: number }): Promise<void>;

  addApp(order: OfTenant): Promise<{ readonly objectId: string }>;
  removeApp(order: OfTenant): Promise<void>;
  disableApp(order: OfTenant): Promise<void>;
  enableApp(order: OfTenant): Promise<void>;
  blockByConditionalAccess(order: OfTenant): Promise<void>;
  unblock(order: OfTenant): Promise<void>;

  /** Adds to the Graph permissions of the vendor's app; removing the app removes all of them. */
  consentGraph(order: OfTenant & { readonly permissions: readonly string[] }): Promise<void>;
  /** Without `permissions`: all of them. */
  revokeGraphConsent(order: OfTenant & { readonly permissions?: readonly string[] }): Promise<void>;

  addAppSecret(order?: {
    readonly expiresInSeconds?: number;
    readonly storeInHomeVault?: boolean;
  }): Promise<AppSecretReference & { readonly value: string }>;
  listAppSecrets(order?: Record<never, never>): Promise<readonly AppSecretReference[]>;
  /** Without `keyId`: all of them. */
  removeAppSecret(order?: { readonly keyId?: string }): Promise<void>;
  expireAppSecret(order?: { readonly keyId?: string }): Promise<void>;
  /**
   * Registers a certificate. Without `certPem` a new one is made. With `storeAs` the home vault
   * stores it under that name, as it stores certificates. The key is stored as a key, and as a
   * secret in PEM (with the private key if `exportable`).
   */
  addAppCertificate(order?: {
    readonly certPem?: string;
    readonly storeAs?: string;
    readonly exportable?: boolean;
    /** Default: a year. */
    readonly expiresInSeconds?: number;
  }): Promise<{ readonly thumbprint: string; readonly certPem: string; readonly keyPem?: string }>;
  /** Without `thumbprint`: all of them. */
  removeAppCertificate(order?: { readonly thumbprint?: string }): Promise<void>;
  /**
   * `{authority}` in the issuer stands for the authority host; the default trusts the managed
   * identity.
   */
  addFederatedCredential(order?: {
    readonly issuer?: string;
    readonly subject?: string;
    readonly audience?: string;
  }): Promise<void>;
  removeFederatedCredentials(order?: Record<never, never>): Promise<void>;
  setTokenLifetime(order: { readonly seconds: number }): Promise<void>;

  createKey(
    order: OfKey & {
      readonly kty?: string;
      readonly size?: number;
      readonly keyOps?: readonly string[];
      readonly tags?: Readonly<Record<string, string>>;
      readonly exp?: number;
      readonly nbf?: number;
    },
  ): Promise<KeyReference>;
  rotateKey(order: OfKey): Promise<KeyReference>;
  /** Without `version`: all versions. */
  disableKey(order: OfKeyVersion): Promise<void>;
  enableKey(order: OfKeyVersion): Promise<void>;
  /** Without `version`: the newest. Times are epoch seconds; `null` removes one. */
  setKeyAttributes(
    order: OfKeyVersion & {
      readonly exp?: number | null;
      readonly nbf?: number | null;
      readonly keyOps?: readonly string[];
      readonly tags?: Readonly<Record<string, string>>;
    },
  ): Promise<void>;
  deleteKey(order: OfKey): Promise<void>;
  recoverKey(order: OfKey): Promise<void>;
  setSecret(
    order: OfVault & {
      readonly name: string;
      readonly value: string;
      readonly exp?: number;
      readonly contentType?: string;
    },
  ): Promise<{ readonly version: string }>;
  /** Without `version`: the newest. */
  disableSecretVersion(order: OfVault & { readonly name: string; readonly version?: string }): Promise<void>;

  setFirewall(order: OfVault & { readonly deny: boolean }): Promise<void>;
  deleteVault(order: OfVault): Promise<void>;
  restoreVault(order: OfVault): Promise<void>;
  /** Members that are left out keep their values. */
  setVaultOptions(
    order: OfVault & {
      readonly purgeProtection?: boolean;
      readonly disabledKeysReadable?: boolean;
      readonly pageSize?: number;
      /** 0: unlimited. */
      readonly operationsPerSecond?: number;
      /** `null`: 429 without Retry-After. */
      readonly retryAfterSeconds?: number | null;
    },
  ): Promise<void>;
  addTenant(order: { readonly name: string; readonly tenantId?: string }): Promise<{ readonly tenantId: string }>;
  addVault(
    order: OfTenant & { readonly name: string; readonly kind?: VaultKind },
  ): Promise<{ readonly vaultUrl: string }>;

  /**
   * Adds a data collection rule to a tenant, on which the app has the role that it needs, unless it
   * has one for the stream, by default `Custom-Vaultspan`.
   */
  addRule(order: OfTenant & { readonly stream?: string }): Promise<{
    readonly endpoint: string;
    readonly ruleId: string;
    readonly stream: string;
  }>;
  /** Of all rules of the tenant. */
  grantRule(order: OfTenant): Promise<void>;
  revokeRule(order: OfTenant): Promise<void>;
  /** Adds or removes Azure Monitor's own service principal; without it nobody gets tokens for it. */
  setMonitorPrincipal(order: OfTenant & { readonly present: boolean }): Promise<void>;

  injectFault(order: Fault): Promise<void>;
  clearFaults(order?: Record<never, never>): Promise<void>;
}

export interface Control extends Actions {
  requests(): readonly RequestLogEntry[];
  clearRequests(): void;
  /** Returns the vaults' own audit log, which their owners can read. */
  auditEvents(): readonly AuditEventRow[];
  /** Returns the rows that data collection rules accepted, the oldest first. */
  ingestedRows(): readonly IngestedRow[];
}

export interface ControlDeps {
  readonly cloud: Cloud;
  readonly faults: Faults;
  readonly log: RequestLog;
  readonly auditLog: Log<AuditEventRow>;
  readonly ingested: Log<IngestedRow>;
  readonly openVault: (vault: VaultState) => Promise<void>;
  readonly dropConnections: (vaultName: string) => void;
}
