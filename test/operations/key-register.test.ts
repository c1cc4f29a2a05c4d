import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openKeyThief, storedMessage } from '../support/key-thief.ts';
import { startService, type TestService } from '../support/start-service.ts';

let service: TestService;
let message: Awaited<ReturnType<typeof storedMessage>>;
let thief: Awaited<ReturnType<typeof openKeyThief>>;
beforeAll(async () => {
  service = await startService({ inDatabase: true });
  message = await storedMessage(service);
  thief = await openKeyThief(service);
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

describe('the data key of a stored message', () => {
  test('cannot be had by registering its key for wrap, at once or in steps', async () => {
    const { send, etagOf } = thief;
    const { body: record } = await send('get', '/tenants/contoso');
    const { data } = record.keys;
    const next = { data: { ...data, name: 'other' }, wrap: null };
    for (const stolen of [data, { ...data, name: 'DATA' }, { ...data, vaultUrl: `${data.vaultUrl.toUpperCase()}/` }]) {
      const misuse = { keys: { ...next, stolen: { ...stolen, use: 'wrap' } } };
      const refused = await send('patch', '/tenants/contoso', misuse, await etagOf('contoso'));
      expect([refused.status, refused.body.code]).toEqual([409, 'key-use']);
    }
    const { port } = new URL(data.vaultUrl);
    for (const vaultUrl of [`https://127.0.0.1:${port}`, `https://localhost:0${port}`, `https://localhost.:${port}`]) {
      const misuse = { keys: { ...next, stolen: { ...data, vaultUrl, use: 'wrap' } } };
      const refused = await send('patch', '/tenants/contoso', misuse, await etagOf('contoso'));
      expect([refused.status, refused.body.errors]).toMatchObject([400, [{ pointer: '/keys/stolen/vaultUrl' }]]);
    }
    expect((await send('patch', '/tenants/contoso', { keys: next }, await etagOf('contoso'))).status).toBe(200);
    const later = { keys: { stolen: { ...data, use: 'wrap' } } };
    const refused = await send('patch', '/tenants/contoso', later, await etagOf('contoso'));
    expect([refused.status, refused.body.code, refused.body.errors]).toEqual([
      409,
      'key-use',
      [{ pointer: '/keys/stolen', detail: 'is or was registered for the other use' }],
    ]);
    expect((await send('post', '/tenants/contoso/unwrap', message.unwrap)).status).toBe(422);
    const refusals = (await service.auditRecords()).filter(({ code }) => code === 'key-use');
    expect(refusals.length).toBe(4);
  });

  test('cannot be had by another tenant, neither while its tenant exists nor after its removal', async () => {
    const { send, etagOf } = thief;
    const { body: record } = await send('get', '/tenants/contoso');
    const data = { ...record.keys.data, name: 'data' };
    const mule = {
      entraTenantId: record.entraTenantId,
      keys: { data: { ...data, name: 'mule' }, stolen: { ...data, use: 'wrap' } },
      defaultKey: 'data',
    };
    const steal = async () => {
      const refused = await send('put', '/tenants/mule', mule);
      expect([refused.status, refused.body.code]).toEqual([409, 'key-taken']);
      expect(JSON.stringify(refused.body)).not.toContain('contoso"');
    };
    await steal();
    await send('post', '/tenants/contoso/suspend');
    await send('delete', '/tenants/contoso', undefined, await etagOf('contoso'));
    await steal();
    expect((await send('post', '/tenants/mule/unwrap', message.unwrap)).status).toBe(404);
  });
});
