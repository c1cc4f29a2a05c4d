import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startService, type TestService } from '../support/start-service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService({ config: { vault: { requireTenantTag: true } } });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const encrypt = () => service.post('/tenants/contoso/encrypt', { plaintext: 'aGk=' });
const tag = (tags: Record<string, string>) =>
  service.emulator.control.setKeyAttributes({ vault: 'contoso', key: 'data', tags });

test('a key seals only when its tag names the tenant, where tags are required', async () => {
  for (const tags of [{}, { 'vaultspan-tenant': 'fabrikam' }]) {
    await tag(tags);
    const { status, body } = await encrypt();
    expect([status, body.code, body.reason]).toEqual([409, 'tenant-misconfigured', 'tag-missing']);
    expect(body.fix.command).toContain('--tags vaultspan-tenant=contoso');
    service.clock.advance(11);
  }
  await tag({ 'vaultspan-tenant': 'contoso' });
  expect((await encrypt()).status).toBe(200);
});
