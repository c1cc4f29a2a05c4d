import { randomBytes } from 'node:crypto';
import { type IncomingMessage, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startService, type TestService } from '../support/start-service.ts';

/** More than a connection's buffers take: the rest of an answer waits in the service's memory. */
const BYTES = 6 * 1_024 * 1_024;
const CLIENTS = 2;

let service: TestService;
beforeAll(async () => {
  service = await startService({ config: { http: { port: 0, maxPlaintextBytes: BYTES } } });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

/** Returns an answer that the client does not read yet. */
function post(path: string, body: object): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const content = JSON.stringify(body);
    const headers = {
      Authorization: `Bearer ${service.token()}`,
      'Content-Type': 'application/json',
      'Content-Length': content.length,
    };
    request(service.url + path, { method: 'POST', headers }, resolve)
      .on('error', reject)
      .end(content);
  });
}

async function read(answer: IncomingMessage): Promise<{ readonly ciphertext?: string; readonly plaintext?: string }> {
  expect(answer.statusCode).toBe(200);
  return JSON.parse((await answer.setEncoding('latin1').toArray()).join(''));
}

/** Sends all of them, and reads no answer before the last one has begun. */
async function together(path: string, bodies: readonly object[]) {
  const answers = await Promise.all(bodies.map((body) => post(path, body)));
  await sleep(50);
  return Promise.all(answers.map(read));
}

test('large answers that wait for slow readers stay whole while other requests run', async () => {
  const plaintexts = Array.from({ length: CLIENTS }, () => randomBytes(BYTES).toString('base64'));
  const sealed = await together(
    '/tenants/contoso/encrypt',
    plaintexts.map((plaintext) => ({ plaintext })),
  );
  const opened = await together(
    '/tenants/contoso/decrypt',
    sealed.map(({ ciphertext }) => ({ ciphertext })),
  );
  for (const [at, { plaintext }] of opened.entries()) expect(plaintext === plaintexts[at]).toBe(true);
});

test('a large message with one changed letter is refused', async () => {
  const plaintext = randomBytes(200_000).toString('base64');
  const { body } = await service.post('/tenants/contoso/encrypt', { plaintext });
  const ciphertext: string = body.ciphertext;
  const at = ciphertext.length - 100_000;
  const changed = ciphertext.slice(0, at) + (ciphertext[at] === 'A' ? 'B' : 'A') + ciphertext.slice(at + 1);
  const refused = await service.post('/tenants/contoso/decrypt', { ciphertext: changed });
  expect(refused).toMatchObject({ status: 422, body: { code: 'undecryptable' } });
  const malformed = await service.post('/tenants/contoso/decrypt', {
    ciphertext: `${ciphertext.slice(0, at)}+${ciphertext.slice(at + 1)}`,
  });
  expect(malformed.body.code).toBe('malformed-ciphertext');
});

test.each(['batch/encrypt', 'encrypt'])(
  'a plaintext of many pieces comes back through rewrap, sealed by %s',
  async (path) => {
    for (const length of [49_152, 49_153, 150_001]) {
      const plaintext = randomBytes(length).toString('base64');
      const isBatch = path.startsWith('batch');
      const sealed = await service.post(
        `/tenants/contoso/${path}`,
        isBatch ? { items: [{ plaintext }] } : { plaintext },
      );
      const { ciphertext } = isBatch ? sealed.body.items[0] : sealed.body;
      const rewrapped = await service.post('/tenants/contoso/rewrap', { ciphertext });
      const opened = await service.post('/tenants/contoso/batch/decrypt', {
        items: [{ ciphertext: rewrapped.body.ciphertext }],
      });
      expect(opened.body.items[0].plaintext === plaintext).toBe(true);
    }
  },
);
