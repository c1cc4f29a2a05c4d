import { ManagedIdentityApplication } from '@azure/msal-node';

/**
 * Makes the SDK forget the machine's identity: it holds its endpoint and its tokens in static
 * members, and each emulator has an endpoint of its own.
 */
export function forgetManagedIdentity(): void {
  const client: unknown = Reflect.get(new ManagedIdentityApplication(), 'managedIdentityClient');
  if (typeof client !== 'object' || client === null) throw new Error('MSAL has changed: where is the client?');
  Reflect.deleteProperty(client.constructor, 'identitySource');
  Reflect.deleteProperty(ManagedIdentityApplication, 'nodeStorage');
  new ManagedIdentityApplication(); // services that have not stopped yet find an empty storage
}
