import type { KekFacts, KeyWrapper } from '../../keyring/key-wrapper.ts';
import type { DirectoryFacts } from '../../tenants/directory-facts.ts';
import type { Tenant } from '../../tenants/record.ts';

/**
 * One check of a tenant's Azure without cached data: a new sign-in, new clients. Failures are those
 * of KeyWrapper.
 */
export interface TenantProbe extends Pick<KeyWrapper, 'wrapKey' | 'unwrapKey'> {
  /**
   * Checks that the directory exists in this cloud.
   * @throws ServiceError `tenant-misconfigured`, `identity-unavailable`
   */
  discover(tenant: Tenant): Promise<void>;
  /**
   * Returns the directory in a vault's challenge (GUID, lower-case).
   * @throws ServiceError `vault-unavailable`
   */
  directoryOf(tenant: Tenant, vaultUrl: string): Promise<string>;
  signIn(tenant: Tenant): Promise<void>;
  probeKey(
    tenant: Tenant,
    key: { readonly vaultUrl: string; readonly name: string; readonly keyVersion?: string },
  ): Promise<KekFacts>;
  /** Returns the facts that the record asks for, each with its consent state. */
  readDirectory(tenant: Tenant): Promise<DirectoryFacts>;
  /**
   * Sends one event that stands for no record to the tenant's SIEM.
   * @throws SiemFailure
   */
  tryIngestion(tenant: Tenant): Promise<void>;
  /** Reads a secret and discards it. */
  readSecret(tenant: Tenant, vaultUrl: string, name: string): Promise<void>;
}
