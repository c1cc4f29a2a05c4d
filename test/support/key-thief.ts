import type { TestService } from './start-service.ts';

export const PLAINTEXT = Buffer.from('stored for years').toString('base64');

/**
 * Encrypts as an application does, and returns the data that an attacker needs: the encrypted data
 * key of the stored message.
 */
export async function storedMessage(service: TestService) {
  const { body } = await service.post('/tenants/contoso/encrypt', { plaintext: PLAINTEXT });
  const [header = '', wrappedKey = ''] = String(body.ciphertext).split('.');
  const { alg, kid } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { alg: string; kid: string };
  return { ciphertext: String(body.ciphertext), unwrap: { wrappedKey, keyId: kid, algorithm: alg } };
}

/** Returns a caller that may register keys and unwrap, and may not decrypt. */
export async function openKeyThief(service: TestService) {
  const token = await service.emulator.issueCallerToken({ roles: ['Tenants.Manage', 'Tenants.Read', 'Keys.Unwrap'] });
  const send = (method: 'get' | 'put' | 'patch' | 'post' | 'delete', path: string, body?: object, etag?: string) => {
    const request = service.request()[method](path).set('Authorization', `Bearer ${token}`);
    if (etag !== undefined) request.set('If-Match', etag);
    const type = method === 'patch' ? 'application/merge-patch+json' : 'application/json';
    return body ? request.set('Content-Type', type).send(JSON.stringify(body)) : request;
  };
  const etagOf = async (id: string) => String((await send('get', `/tenants/${id}`)).headers['etag']);
  return { send, etagOf };
}
