import type { DirectoryBuilder } from './seed.ts';

const WRAP_ROLE = 'Key Vault Crypto Service Encryption User';

/** Adds four customers, one for each state that a first call can find. */
export function demo(directory: DirectoryBuilder): void {
  directory.addCustomer({
    name: 'contoso',
    tenantId: '3e7a90d5-18c4-4b6f-a2d7-94f05c61b8e3',
    keys: ['data', 'wrap'],
    role: WRAP_ROLE,
    directory: {
      displayName: 'Contoso Ltd',
      verifiedDomains: ['contoso.onmicrosoft.com', 'contoso.com'],
      users: 250,
      groups: 40,
    },
    graphPermissions: ['Organization.Read.All', 'User.Read.All'],
  });
  directory.addCustomer({
    name: 'fabrikam',
    tenantId: 'b4d18f26-6a7c-4e95-8301-e5c9270ad46f',
    keys: ['data', 'archive'],
    role: WRAP_ROLE,
  });
  // This customer added the app, but has granted it no role yet.
  directory.addCustomer({ name: 'northwind', tenantId: '80c5e2b9-d36f-4712-9e84-2ba7f1064c5d', keys: ['data'] });
  // This customer has a vault, but has not added the app.
  directory.addCustomer({
    name: 'adatum',
    tenantId: 'd729b064-f581-43ce-b60a-1c8e7f35a924',
    keys: ['data'],
    isAppAdded: false,
  });
}
