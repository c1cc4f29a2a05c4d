import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { openKeyThief, PLAINTEXT, storedMessage } from '../support/key-thief.ts';
import { startService, tenantsOf } from '../support/start-service.ts';
import { until } from '../support/until.ts';

test('an editor of the file of tenants cannot get the data key of a stored message, even in steps', async () => {
  await using service = await startService();
  const message = await storedMessage(service);
  const { send } = await openKeyThief(service);
  const edited = async (keysOf: (keys: Record<string, object>) => object) => {
    const tenants = tenantsOf(service.emulator, (tenant) =>
      tenant['id'] === 'contoso' ? { ...tenant, keys: keysOf(tenant['keys'] as Record<string, object>) } : tenant,
    );
    await writeFile(join(service.folder, 'tenants.json'), JSON.stringify(tenants));
  };
  await edited(({ data, ...others }) => ({ ...others, data: { ...data, name: 'other' } }));
  await until(() => service.logLines.some((line) => line.includes('tenants reloaded')));
  await edited(({ data }) => ({ data: { ...data, name: 'other' }, stolen: { ...data, use: 'wrap' } }));
  await until(() => service.logLines.some((line) => line.includes('key-use')));
  expect((await send('post', '/tenants/contoso/unwrap', message.unwrap)).status).toBe(422);
  await edited((keys) => keys);
  await until(() => service.logLines.filter((line) => line.includes('tenants reloaded')).length === 2);
  const opened = await service.post('/tenants/contoso/decrypt', { ciphertext: message.ciphertext });
  expect(opened.body.plaintext).toBe(PLAINTEXT);
});
