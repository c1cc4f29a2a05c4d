import { ServiceError, type VaultCallIds } from '../errors.ts';
import type { KekRef } from '../format/kek-ref.ts';
import type { KekType, WrapAlgorithm } from '../format/wrap-algorithms.ts';
import type { RegisteredKey, Tenant } from '../tenants/record.ts';

/** What a vault says about one key version. Times are milliseconds of the epoch. */
export interface KekFacts {
  readonly kek: KekRef;
  readonly type: KekType;
  /** Whether the key is in an HSM, which has a smaller quota. */
  readonly isHsm: boolean;
  /** Modulus of an RSA key; undefined for oct keys, whose size a vault doesn't tell. */
  readonly bits: number | undefined;
  readonly publicExponent: number | undefined;
  /** RSA public key as a JWK (RFC 7517), for wrapping without the vault. */
  readonly publicKey: { readonly kty: 'RSA'; readonly n: string; readonly e: string } | undefined;
  readonly enabled: boolean;
  readonly notBefore: number | undefined;
  readonly expires: number | undefined;
  readonly operations: readonly string[];
  /** `Recoverable` under purge protection, `Recoverable+Purgeable` without; undefined when the vault doesn't say. */
  readonly recoveryLevel?: string | undefined;
  readonly tags?: Readonly<Record<string, string>>;
}

/** A vault's answer and the ids of the call. */
export interface VaultResult {
  readonly bytes: Buffer;
  readonly vaultCall: VaultCallIds;
}

/**
 * Why a vault is called, which decides how it is rationed: to keep a tenant going (reads, new data keys, proofs of access), for a ciphertext
 * whose data key is not at hand, or for a caller that has each call made for itself (wrap, unwrap).
 */
export type VaultUse = 'upkeep' | 'ciphertext' | 'caller';

/**
 * What a vault must do for us. Every failure is a ServiceError:
 * - `access-revoked`, `tenant-misconfigured`: a definite refusal; its `scope` says how far it reaches
 * - `undecryptable`: the vault says that these bytes were not wrapped by this key (unwrap only)
 * - `vault-unavailable`, `vault-throttled`, `identity-unavailable`, `home-credential-rejected`: trouble, which says nothing of access
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

/** Returns the failure of a vault that returned other bytes than it wrapped: a fault, not a revocation. */
export const wrongBytes = (): ServiceError =>
  new ServiceError('vault-unavailable', 'The vault did not unwrap what it had wrapped', { retryAfter: 5 });
