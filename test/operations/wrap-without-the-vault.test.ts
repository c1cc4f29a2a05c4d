import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startService, type TestService } from '../support/start-service.ts';

/** RSA-2048 under RSA-OAEP-256 (RFC 8017 §7.1.1). */
const MAX_BYTES = 190;

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const value = randomBytes(32).toString('base64');
const wrap = (bytes: string) => service.post('/tenants/contoso/wrap', { key: 'wrap', value: bytes });

test('a value that no key can wrap, and one that no wrap returns, costs no vault call', async () => {
  const { keyId } = (await wrap(value)).body as { readonly keyId: string };
  service.emulator.control.clearRequests();
  const long = await wrap(Buffer.alloc(MAX_BYTES + 1).toString('base64'));
  expect(long.body).toMatchObject({ code: 'malformed-request', errors: [{ pointer: '/value' }] });
  const short = { wrappedKey: 'AA==', keyId, algorithm: 'RSA-OAEP-256' };
  expect((await service.post('/tenants/contoso/unwrap', short)).body.code).toBe('undecryptable');
  expect(service.vaultCalls('contoso')).toEqual([]);
});

test('a version rotated away and disabled is refused, and the new one used 10 s later', async () => {
  const { control } = service.emulator;
  const old = String((await wrap(value)).body.keyId).slice(-32);
  await control.rotateKey({ vault: 'contoso', key: 'wrap' });
  await control.disableKey({ vault: 'contoso', key: 'wrap', version: old });
  expect((await wrap(value)).body).toMatchObject({ code: 'access-revoked', reason: 'key-disabled' });
  service.clock.advance(11);
  const { status, body } = await wrap(value);
  expect(status).toBe(200);
  expect(body.keyId).not.toContain(old);
});
