import { ServiceError, type VaultCallIds } from '../errors.ts';
import type { KekRef } from '../format/kek-ref.ts';
import type { KekType, WrapAlgorithm } from '../format/wrap-algorithms.ts';
import type { RegisteredKey, Tenant } from '../tenants/record.ts';

/** A vault's facts about one key version. Times are milliseconds since 1970. */
export interface KekFacts {
  readonly kek: KekRef;
  readonly type: KekType;
  /** Whether the key is in an HSM, which has a smaller quota. */
  readonly isHsm: boolean;
  /** Modulus size of an RSA key; undefined for oct keys, whose size a vault does not report. */
  readonly bits: number | undefined;
  readonly publicExponent: number | undefined;
  /** RSA public key as a JWK (RFC 7517), for wrapping without the vault. */
  readonly publicKey: { readonly kty: 'RSA'; readonly n: string; readonly e: string } | undefined;
  readonly enabled: boolean;
  readonly notBefore: number | undefined;
  readonly expires: number | undefined;
  readonly operations: readonly string[];
  /**
   * `Recoverable` under purge protection, `Recoverable+Purgeable` without; undefined if the vault
   * does not report it.
   */
  readonly recoveryLevel?: string | undefined;
  readonly tags?: Readonly<Record<string, string>>;
}

/** A vault's answer and the ids of the call. */
export interface VaultResult {
  readonly bytes: Buffer;
  readonly vaultCall: VaultCallIds;
}

/**
 * The purpose of a vault call, which decides about its rate limit. `upkeep` keeps a tenant running
 * (reads, new data keys, proofs of access). `ciphertext` is for a message whose data key is not in
 * memory. `caller` is for a caller that causes each call itself (wrap, unwrap).
 */
export type VaultUse = 'upkeep' | 'ciphertext' | 'caller';

/**
 * The operations that we need from a vault. Every failure is a ServiceError:
 * - `access-revoked`, `tenant-misconfigured`: a definite refusal; its `scope` is a key or the
 * tenant
 * - `undecryptable`: the vault reports that this key did not wrap these bytes (unwrap only)
 * - `vault-unavailable`, `vault-throttled`, `identity-unavailable`, `home-credential-rejected`: a
 * problem that says nothing about access
 */
export interface KeyWrapper {
  /** Reads a key: the pinned version, else the newest. */
  readKey(tenant: Tenant, key: Pick<RegisteredKey, 'vaultUrl' | 'name' | 'keyVersion'>): Promise<KekFacts>;
  wrapKey(
    tenant: Tenant,
    kek: KekRef,
    algorithm: WrapAlgorithm,
    bytes: Uint8Array,
    use: VaultUse,
  ): Promise<VaultResult>;
  unwrapKey(
    tenant: Tenant,
    kek: KekRef,
    algorithm: WrapAlgorithm,
    wrapped: Uint8Array,
    use: VaultUse,
  ): Promise<VaultResult>;
}

/**
 * Returns the failure of a vault that returned other bytes than it wrapped: a fault, not a
 * revocation.
 */
export const wrongBytes = (): ServiceError =>
  new ServiceError('vault-unavailable', 'The vault returned other bytes than it wrapped', { retryAfter: 5 });
