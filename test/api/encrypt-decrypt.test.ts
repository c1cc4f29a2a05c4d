import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startService, type TestService } from '../support/start-service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const plaintext = Buffer.from('an invoice').toString('base64');
const encryptionContext = { purpose: 'invoice', id: '4711' };

describe('encrypt', () => {
  test('gives a ciphertext that decrypt opens, and names the key version', async () => {
    const encrypted = await service.post('/tenants/contoso/encrypt', { plaintext, encryptionContext });
    expect(encrypted.status).toBe(200);
    expect(encrypted.body.keyId).toMatch(/^https:\/\/localhost:\d+\/keys\/data\/[0-9a-f]{32}$/);
    const decrypted = await service.post('/tenants/contoso/decrypt', {
      ciphertext: encrypted.body.ciphertext,
      encryptionContext,
    });
    expect(decrypted.status).toBe(200);
    expect(decrypted.body).toEqual({ plaintext, keyId: encrypted.body.keyId });
  });
});
