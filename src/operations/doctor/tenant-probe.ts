import type { KekFacts, KeyWrapper } from '../../keyring/key-wrapper.ts';
import type { DirectoryFacts } from '../../tenants/directory-facts.ts';
import type { Tenant } from '../../tenants/record.ts';

/**
 * One look at a tenant's Azure with nothing remembered from before: a fresh sign-in, new clients. Failures are those of KeyWrapper.
 */
export interface TenantProbe extends Pick<KeyWrapper, 'wrapKey' | 'unwrapKey'> {
  /** Whether the directory exists in this cloud. @throws ServiceError `tenant-misconfigured`, `identity-unavailable` */
  discover(tenant: Tenant): Promise<void>;
  /** The directory that a vault answers for, as its challenge names it (GUID, lower-case). @throws ServiceError `vault-unavailable` */
  directoryOf(tenant: Tenant, vaultUrl: string): Promise<string>;
  signIn(tenant: Tenant): Promise<void>;
  probeKey(
    tenant: Tenant,
    key: { readonly vaultUrl: string; readonly name: string; readonly keyVersion?: string },
  ): Promise<KekFacts>;
  /** The facts that the record asks for, each with its consent state. */
  readDirectory(tenant: Tenant): Promise<DirectoryFacts>;
  /** Reads a secret and forgets it. */
  readSecret(tenant: Tenant, vaultUrl: string, name: string): Promise<void>;
}
