import { expect, test } from '@jest/globals';
import { startService } from '../support/start-service.ts';

test('a deployment can run without tags, for a transition from before they were required', async () => {
  await using service = await startService({ config: { vault: { requireTenantTag: false } } });
  const post = (operation: string, body: object) => service.post(`/tenants/contoso/${operation}`, body);
  for (const key of ['data', 'wrap']) {
    await service.emulator.control.setKeyAttributes({ vault: 'contoso', key, tags: {} });
  }
  const sealed = await post('encrypt', { plaintext: 'aGk=' });
  expect((await post('decrypt', { ciphertext: sealed.body.ciphertext })).status).toBe(200);
  const wrapped = await post('wrap', { value: 'aGk=', key: 'wrap' });
  expect((await post('unwrap', wrapped.body)).status).toBe(200);
  const { body } = await post('check', {});
  expect(body.state).toBe('passed');
  expect(JSON.stringify(body.steps)).toContain('the key has no tag vaultspan-tenant');
});
