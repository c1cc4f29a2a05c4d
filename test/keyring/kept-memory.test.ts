import { expect, test } from '@jest/globals';
import { Deployment, tenantRecord } from '../support/deployment.ts';
import { heapInUse } from '../support/heap-in-use.ts';

const KIB = 1_024;
const MIB = 1_048_576;
const MESSAGES = 16;

test('the cached part of an opened message holds no other part of it', async () => {
  const deployment = new Deployment({ dataKeys: { mode: 'perMessage' } });
  const [sealing, opening] = [deployment.start(), deployment.start()];
  const before = await heapInUse();
  for (let count = 0; count < MESSAGES; count += 1) {
    const context = { count: `${count}` };
    const message = await sealing.encrypt(Buffer.alloc(2 * MIB), { context });
    // As JSON.parse returns it: one flat string.
    await opening.decrypt(JSON.parse(JSON.stringify(message)) as string, { context });
  }
  expect(((await heapInUse()) - before) / MIB).toBeLessThan(MESSAGES / 2);
});

test('the keys of an active tenant with a database take less than 14 KiB', async () => {
  const tenants = 300;
  const deployment = new Deployment();
  deployment.withKeyring();
  const service = deployment.start();
  const use = async (tenantId: string) => {
    deployment.register(tenantRecord({ id: tenantId }));
    service.audited.length = 0;
    await service.decrypt(await service.encrypt('a value', { tenantId }), { tenantId });
  };
  for (let count = 0; count < 20; count += 1) await use(`warm-${count}`);
  const before = await heapInUse();
  for (let count = 0; count < tenants; count += 1) await use(`tenant-${count}`);
  expect(service.dataKeys.held()).toMatchObject({ tenants: tenants + 20, sealing: tenants + 20 });
  expect(((await heapInUse()) - before) / tenants / KIB).toBeLessThan(14);
});
