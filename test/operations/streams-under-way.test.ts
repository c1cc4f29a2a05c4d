import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startService, type TestService } from '../support/start-service.ts';
import { beginStream, postStream } from '../support/stream-client.ts';
import { until } from '../support/until.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService({ config: { http: { port: 0, drainSeconds: 20 } } });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const PIECE = Buffer.alloc(1_100_000, 'p');
const PATH = '/tenants/contoso/streams/encrypt';

/** Begins a stream whose first segment is answered already; the body continues. */
const begin = () => beginStream(service, PATH, { body: PIECE, context: { file: 'a' } });

const recordsOf = async (requestId: string) =>
  (await service.auditRecords()).filter((record) => record['requestId'] === requestId);

describe('the audit', () => {
  test('has one record before the first byte and one before the last, with the bytes', async () => {
    const stream = await begin();
    expect(await recordsOf(stream.requestId)).toMatchObject([
      { operation: 'encrypt-stream', outcome: 'succeeded', phase: 'started', tenantId: 'contoso' },
    ]);
    stream.req.end(Buffer.from('end'));
    expect(await stream.closed).toBe(true);
    const [started, finished, ...more] = await recordsOf(stream.requestId);
    expect(more).toEqual([]);
    expect(finished).toMatchObject({
      operation: 'encrypt-stream',
      outcome: 'succeeded',
      phase: 'finished',
      bytes: PIECE.length + 3,
      keyId: stream.res.headers['key-id'],
      context: started?.['context'],
      vaultRequestId: started?.['vaultRequestId'],
    });
    expect(started).not.toHaveProperty('bytes');
    expect(started?.['context']).toMatch(/^t\.[\w-]{43}$/);

    const sealed = Buffer.concat(stream.received);
    const opened = await postStream(service, '/tenants/contoso/streams/decrypt', {
      body: sealed,
      context: { file: 'a' },
    });
    expect(await recordsOf(String(opened.headers['x-request-id']))).toMatchObject([
      { operation: 'decrypt-stream', phase: 'started', context: started?.['context'] },
      { operation: 'decrypt-stream', phase: 'finished', bytes: PIECE.length + 3, context: started?.['context'] },
    ]);

    const changed = Buffer.concat([sealed, Buffer.of(0)]);
    const cut = await postStream(service, '/tenants/contoso/streams/decrypt', {
      body: changed,
      context: { file: 'a' },
    });
    expect(cut.isComplete).toBe(false);
    expect(await recordsOf(String(cut.headers['x-request-id']))).toMatchObject([
      { operation: 'decrypt-stream', phase: 'started' },
      { operation: 'decrypt-stream', outcome: 'refused', code: 'undecryptable', tenantId: 'contoso' },
    ]);
  });

  test('has only a refusal if no byte was sent', async () => {
    const answer = await postStream(service, '/tenants/contoso/streams/decrypt', { body: Buffer.from('VSPN1\n') });
    expect(await recordsOf(String(answer.headers['x-request-id']))).toMatchObject([
      { operation: 'decrypt-stream', outcome: 'refused', code: 'malformed-ciphertext' },
    ]);
  });

  test('has no end record of a stream whose client disconnected, and its resources are released', async () => {
    const stream = await begin();
    stream.req.destroy();
    await stream.closed;
    const other = await begin();
    other.req.end();
    expect(await other.closed).toBe(true);
    expect((await recordsOf(stream.requestId)).map(({ phase }) => phase)).toEqual(['started']);
    expect(service.logLines.filter((line) => line.includes('request failed'))).toEqual([]);
  });
});

describe('a customer that revokes access', () => {
  test('stops a running stream within the bound, and the next one; restored, both continue', async () => {
    const stream = await begin();
    await service.emulator.control.disableKey({ vault: 'contoso', key: 'data' });
    service.clock.advance(301);
    stream.req.write(PIECE);
    expect(await stream.closed).toBe(false);
    const [, refused] = await recordsOf(stream.requestId);
    expect(refused).toMatchObject({ outcome: 'refused', code: 'access-revoked', reason: 'key-disabled' });
    const next = await postStream(service, PATH, { body: Buffer.from('a') });
    expect(next).toMatchObject({ status: 403, problem: { code: 'access-revoked' } });

    await service.emulator.control.enableKey({ vault: 'contoso', key: 'data' });
    service.clock.advance(301);
    const restored = await begin();
    service.clock.advance(301);
    restored.req.end(PIECE);
    expect(await restored.closed).toBe(true);
  });
});

describe('a client', () => {
  test('that closes its side during its body gets no second answer within the first', async () => {
    const answer = await new Promise<string>((resolve) => {
      let text = '';
      const socket = connect({ port: Number(new URL(service.url).port), host: '127.0.0.1', allowHalfOpen: true });
      socket.write(
        `POST ${PATH} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${service.token()}\r\n` +
          `Content-Type: application/octet-stream\r\nContent-Length: 2000000\r\n\r\n`,
      );
      socket.write(PIECE);
      socket.once('data', () => socket.end());
      socket.on('data', (piece) => {
        text += piece.toString('latin1');
      });
      socket.on('error', () => undefined).on('close', () => resolve(text));
    });
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer.lastIndexOf('HTTP/1.1')).toBe(0);
  });

  test('that pipelines another request gets both answers whole', async () => {
    const head = (path: string, more: string) =>
      `POST ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${service.token()}\r\n${more}\r\n\r\n`;
    const text = await new Promise<string>((resolve) => {
      let answers = '';
      const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
      socket.write(head(PATH, 'Content-Type: application/octet-stream\r\nContent-Length: 2'));
      socket.write(`ab${head('/tenants/contoso/decrypt', 'Connection: close\r\nContent-Length: 0')}`);
      socket.on('data', (piece) => {
        answers += piece.toString('latin1');
      });
      socket.on('error', () => undefined).on('close', () => resolve(answers));
    });
    expect([...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status)).toEqual(['200', '415']);
  });
});

describe('a draining process', () => {
  test('lets a running stream end', async () => {
    const stream = await begin();
    const stopped = service.stop();
    await until(async () => (await service.request().get('/readyz')).status === 503, 'not ready');
    stream.req.end(PIECE);
    expect(await stream.closed).toBe(true);
    await stopped;
    expect(service.logLines.filter((line) => line.includes('were cut'))).toEqual([]);
    expect((await recordsOf(stream.requestId)).map(({ phase }) => phase)).toEqual(['started', 'finished']);
  });
});
