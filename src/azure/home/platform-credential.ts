import type { TokenCredential } from '@azure/core-auth';
import { DefaultAzureCredential, ManagedIdentityCredential } from '@azure/identity';
import { defined } from '../../lib/defined.ts';

export interface PlatformIdentity {
  readonly identity: 'default' | 'managed-identity';
  readonly managedIdentityClientId?: string | undefined;
  readonly authorityHost: string;
}

/** The identity of the machine that we run on; it opens the home vault. No secret of ours is in it. */
export function platformCredential({
  identity,
  managedIdentityClientId,
  authorityHost,
}: PlatformIdentity): TokenCredential {
  if (identity === 'managed-identity') {
    return managedIdentityClientId === undefined
      ? new ManagedIdentityCredential()
      : new ManagedIdentityCredential({ clientId: managedIdentityClientId });
  }
  return new DefaultAzureCredential(defined({ authorityHost, managedIdentityClientId }));
}
