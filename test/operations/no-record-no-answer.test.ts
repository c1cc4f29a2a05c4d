import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startService, type TestService } from '../support/start-service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const encrypt = () => service.post('/tenants/contoso/encrypt', { plaintext: 'aGk=' });

test('a warm encrypt is answered only once its record is written', async () => {
  expect((await encrypt()).status).toBe(200);
  const directory = join(service.folder, 'audit');
  await rm(directory, { recursive: true, force: true });
  await writeFile(directory, 'not a folder');
  const first = await encrypt();
  expect([first.status, first.body.code]).toEqual([503, 'audit-unavailable']);
  expect(first.body).not.toHaveProperty('ciphertext');
});
