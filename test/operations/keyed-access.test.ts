import { createHmac, hkdfSync } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { newSecretKey } from '../../src/azure/home/home-keys.ts';
import { startService } from '../support/start-service.ts';

const plaintext = Buffer.from('an invoice').toString('base64');
const CLAIMS = { subject: 'jane@example.com', reason: 'a refund' };
const HEADERS = { 'Access-Subject': 'jane@example.com', 'Access-Reason': 'a%20refund' };

test('keyed claims can be looked for and not be read', async () => {
  const auditKey = newSecretKey();
  const homeSecrets = { 'vaultspan-audit-key': auditKey };
  await using service = await startService({ homeSecrets, config: { audit: { access: 'keyed' } } });
  await service.post('/tenants/contoso/encrypt', { plaintext }).set(HEADERS);
  await service.post('/tenants/contoso/decrypt', { ciphertext: 'x' }).set(HEADERS);
  await service.post('/tenants/fabrikam/encrypt', { plaintext }).set(HEADERS);
  const info = 'vaultspan audit access 1\ncontoso';
  const key = Buffer.from(hkdfSync('sha256', Buffer.from(auditKey, 'base64url'), '', info, 32));
  const keyed = (name: string, text: string) =>
    `t.${createHmac('sha256', key).update(`${name}\n${text}`).digest('base64url')}`;
  const expected = Object.fromEntries(Object.entries(CLAIMS).map(([name, text]) => [name, keyed(name, text)]));
  const [sealed, refused, other] = await service.auditRecords();
  expect(sealed?.['access']).toEqual(expected);
  expect(refused?.['access']).toEqual(expected);
  expect(other?.['access']).not.toEqual(expected);
  expect(JSON.stringify(await service.auditRecords())).not.toContain('jane');
});
