import { randomUUID } from 'node:crypto';
import { SecretClient } from '@azure/keyvault-secrets';
import { ServiceError } from '../../errors.ts';
import type { KekRef } from '../../format/kek-ref.ts';
import type { WrapAlgorithm } from '../../format/wrap-algorithms.ts';
import type { KekFacts, KeyWrapper, VaultResult, VaultUse } from '../../keyring/key-wrapper.ts';
import { TaggedKeys } from '../../keyring/tagged-keys.ts';
import { defined } from '../../lib/defined.ts';
import type { DirectoryFacts } from '../../tenants/directory-facts.ts';
import type { RegisteredKey, Tenant } from '../../tenants/record.ts';
import { withinDeadline } from '../deadline.ts';
import { GraphDirectory } from '../graph/graph.ts';
import { vaultClientOptions } from '../sdk-http.ts';
import { signInFailure } from '../sign-in-failures.ts';
import { KeyVault, type KeyVaultOptions } from '../vault/key-vault.ts';
import { vaultFailure } from '../vault/vault-failures.ts';

export interface TenantProbeOptions extends KeyVaultOptions {
  readonly authorityHost: string;
  readonly graphEndpoint: string;
  /** Scope of the cloud's Key Vault tokens, such as `https://vault.azure.net/.default`. */
  readonly vaultScope: string;
  /** Whether a key must have the tag that names its tenant. */
  readonly requireTenantTag: boolean;
  readonly tryIngestion: (tenant: Tenant) => Promise<void>;
}

const CHALLENGE = /\bauthorization(?:_uri)?="https:\/\/[^"/]+\/([0-9a-fA-F-]{36})[/"]?/;

/**
 * Checks one tenant's Azure with a credential and clients of its own, so that no answer comes from
 * a cache.
 */
export class AzureTenantProbe {
  readonly #options: TenantProbeOptions;
  readonly #vault: KeyVault;
  readonly #keys: KeyWrapper;

  constructor(options: TenantProbeOptions) {
    this.#options = options;
    this.#vault = new KeyVault(options);
    this.#keys = options.requireTenantTag ? new TaggedKeys(this.#vault, options.clock) : this.#vault;
  }

  async discover(tenant: Tenant): Promise<void> {
    const url = `${this.#options.authorityHost}/${tenant.entraTenantId}/v2.0/.well-known/openid-configuration`;
    const response = await this.#fetch(url, (error) => signInFailure(error, this.#parties(tenant)));
    await response.body?.cancel();
    if (response.ok) return;
    throw signInFailure(
      { status: response.status, errorNo: response.status === 400 ? '90002' : undefined },
      this.#parties(tenant),
    );
  }

  async directoryOf(tenant: Tenant, vaultUrl: string): Promise<string> {
    const kek = { vaultUrl, name: '', keyVersion: '' };
    const { appId } = this.#options.signIns;
    const fail = (error: unknown) => vaultFailure(error, { operation: 'getKey', kek, appId, tenantId: tenant.id });
    const response = await this.#fetch(`${vaultUrl}/keys?api-version=7.4`, fail);
    await response.body?.cancel();
    const directory = CHALLENGE.exec(response.headers.get('www-authenticate') ?? '')?.[1];
    if (directory === undefined) throw fail({ statusCode: 503 });
    return directory.toLowerCase();
  }

  async signIn(tenant: Tenant): Promise<void> {
    await this.#options.signIns.signIn(tenant.entraTenantId, this.#options.vaultScope, true);
  }

  probeKey(tenant: Tenant, key: Pick<RegisteredKey, 'vaultUrl' | 'name' | 'keyVersion'>): Promise<KekFacts> {
    return this.#keys.readKey(tenant, key);
  }

  wrapKey(
    tenant: Tenant,
    kek: KekRef,
    algorithm: WrapAlgorithm,
    bytes: Uint8Array,
    use: VaultUse,
  ): Promise<VaultResult> {
    return this.#keys.wrapKey(tenant, kek, algorithm, bytes, use);
  }

  unwrapKey(
    tenant: Tenant,
    kek: KekRef,
    algorithm: WrapAlgorithm,
    wrapped: Uint8Array,
    use: VaultUse,
  ): Promise<VaultResult> {
    return this.#keys.unwrapKey(tenant, kek, algorithm, wrapped, use);
  }

  readDirectory(tenant: Tenant): Promise<DirectoryFacts> {
    const credentialOf = (of: Tenant) => this.#vault.credentialOf(of);
    return new GraphDirectory({ ...this.#options, appId: this.#options.signIns.appId, credentialOf }).readDirectory(
      tenant,
      randomUUID(),
    );
  }

  tryIngestion(tenant: Tenant): Promise<void> {
    return this.#options.tryIngestion(tenant);
  }

  async readSecret(tenant: Tenant, vaultUrl: string, name: string): Promise<void> {
    const { deadlineMs } = this.#options;
    const client = new SecretClient(vaultUrl, this.#vault.credentialOf(tenant), vaultClientOptions(this.#options));
    try {
      await withinDeadline(
        deadlineMs,
        (abortSignal) => client.getSecret(name, { abortSignal }),
        () => false,
      );
    } catch (error) {
      throw secretFailure(
        error,
        vaultFailure(error, {
          operation: 'getKey',
          kek: { vaultUrl, name, keyVersion: '' },
          appId: this.#options.signIns.appId,
          tenantId: tenant.id,
        }),
        name,
      );
    }
  }

  #parties({ entraTenantId }: Tenant) {
    return { appId: this.#options.signIns.appId, entraTenantId };
  }

  /**
   * Returns an answer. Addresses come only from the configuration and the registry, and redirects
   * are not followed.
   */
  async #fetch(url: string, fail: (error: unknown) => ServiceError): Promise<Response> {
    try {
      return await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(this.#options.deadlineMs) });
    } catch (error) {
      throw fail(error);
    }
  }
}

/** Returns the failure of a secret: the commands for keys do not fit one. */
function secretFailure(cause: unknown, { code, reason, retryAfter }: ServiceError, name: string): ServiceError {
  return new ServiceError(code, `The secret ${name} cannot be read`, {
    cause,
    ...defined({ reason, retryAfter }),
    fix: {
      owner: 'resource-owner',
      action: `Grant the app the role "Key Vault Secrets User" on the secret ${name}, or remove canarySecret from the record`,
    },
  });
}
