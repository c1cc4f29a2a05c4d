import { createHash } from 'node:crypto';
import { findApp } from '../cloud.ts';
import type { DirectoryState, ServicePrincipal, State, TenantState } from '../state.ts';

type Entry = Readonly<Record<string, unknown>>;

/** Entries of one type in a fixed order. `entryAt` is called with an index below `size` only. */
export interface Collection {
  readonly type: 'organization' | 'user' | 'group' | 'servicePrincipal';
  /** The members of an entry; `$select` may name each of them. */
  readonly properties: readonly string[];
  readonly size: number;
  readonly entryAt: (index: number) => Entry;
}

/**
 * Returns the tenant's directory. A tenant without a description has an empty one with its initial
 * domain.
 */
function directoryOf({ name, directory }: TenantState): DirectoryState {
  const initial = `${name}.onmicrosoft.com`;
  return directory ?? { displayName: name, verifiedDomains: [initial], users: 0, groups: 0 };
}

export function organization(tenant: TenantState): Collection {
  const { displayName, verifiedDomains } = directoryOf(tenant);
  const domain = (name: string, index: number): Entry => ({
    capabilities: 'Email, OfficeCommunicationsOnline',
    isDefault: index === verifiedDomains.length - 1,
    isInitial: index === 0,
    name,
    type: 'Managed',
  });
  return {
    type: 'organization',
    properties: ['id', 'displayName', 'tenantType', 'verifiedDomains'],
    size: 1,
    entryAt: () => ({
      id: tenant.tenantId,
      displayName,
      tenantType: 'AAD',
      verifiedDomains: verifiedDomains.map(domain),
    }),
  };
}

export function users(tenant: TenantState): Collection {
  const directory = directoryOf(tenant);
  const domain = directory.verifiedDomains.at(-1) ?? `${tenant.name}.onmicrosoft.com`;
  return {
    type: 'user',
    properties: ['id', 'displayName', 'userPrincipalName', 'mail'],
    size: directory.users,
    entryAt: (index) => {
      const address = `user${index + 1}@${domain}`;
      const id = idOf(tenant, 'user', index);
      return { id, displayName: `User ${index + 1}`, userPrincipalName: address, mail: address };
    },
  };
}

export const groups = (tenant: TenantState): Collection => ({
  type: 'group',
  properties: ['id', 'displayName', 'mailEnabled', 'securityEnabled'],
  size: directoryOf(tenant).groups,
  entryAt: (index) => ({
    id: idOf(tenant, 'group', index),
    displayName: `Group ${index + 1}`,
    mailEnabled: false,
    securityEnabled: true,
  }),
});

export function servicePrincipals(state: State, principals: readonly ServicePrincipal[]): Collection {
  const entries = principals.map(({ objectId, appId, isEnabled, kind }) => ({
    id: objectId,
    appId,
    displayName: findApp(state, appId)?.name ?? appId,
    accountEnabled: isEnabled,
    servicePrincipalType: kind === 'application' ? 'Application' : 'ManagedIdentity',
  }));
  return {
    type: 'servicePrincipal',
    properties: ['id', 'appId', 'displayName', 'accountEnabled', 'servicePrincipalType'],
    size: entries.length,
    entryAt: (index) => entries[index] ?? {},
  };
}

/**
 * Returns an entry's id. It is the same in every page and after every restart, without being
 * stored.
 */
function idOf({ tenantId }: TenantState, type: string, index: number): string {
  const hash = createHash('sha256').update(`${tenantId}/${type}/${index}`).digest('hex');
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-4${hash.slice(13, 16)}-a${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
}
