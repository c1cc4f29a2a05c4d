import type { TestService } from './start-service.ts';

/**
 * Returns calls for tests whose service and token are made before they run: `current` is called for
 * each.
 */
export function callsOf(current: () => { readonly service: TestService; readonly token: string }) {
  const plaintext = Buffer.from('an invoice').toString('base64');
  const post = (path: string, body: object) => {
    const { service, token } = current();
    return service.post(path, body, token);
  };
  return {
    plaintext,
    encrypt: (tenant: string) => post(`/tenants/${tenant}/encrypt`, { plaintext }),
    decrypt: (tenant: string, ciphertext: string) => post(`/tenants/${tenant}/decrypt`, { ciphertext }),
  };
}
