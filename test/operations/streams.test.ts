import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startService, type TestService } from '../support/start-service.ts';
import { postStream, type StreamRequest } from '../support/stream-client.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService({
    limits: { 'of-contoso': ['contoso'] },
    tenant: (record) => ({
      ...record,
      ...(record['id'] === 'fabrikam' && { requiredContext: ['file'] }),
      ...(record['id'] === 'adatum' && { state: 'suspended' }),
    }),
  });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const FIRST = 1_048_520;
const SEGMENT = 1_048_576;
const context = { file: 'scan.tiff', 'naïve €': '😀' };
const bytesOf = (length: number): Buffer => Buffer.alloc(length, randomBytes(4_099));

const encrypt = (request: StreamRequest, tenant = 'contoso', query = '') =>
  postStream(service, `/tenants/${tenant}/streams/encrypt${query}`, request);
const decrypt = (request: StreamRequest, tenant = 'contoso') =>
  postStream(service, `/tenants/${tenant}/streams/decrypt`, request);
const sealed = async (plaintext: Buffer): Promise<Buffer> => (await encrypt({ body: plaintext, context })).body;

const prefixBytes = (stream: Buffer): number => 10 + stream.readUInt32BE(6);
const jweOf = (stream: Buffer): string => stream.toString('latin1', 10, prefixBytes(stream));
function withJwe(stream: Buffer, jwe: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(jwe.length);
  return Buffer.concat([Buffer.from('VSPN1\n'), length, Buffer.from(jwe), stream.subarray(prefixBytes(stream))]);
}

function* inPieces(bytes: Buffer, length: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

describe('a stream', () => {
  test.each([0, 1, FIRST - 1, FIRST, FIRST + 1, 5_000_000])(
    'of %d bytes opens again; both answers have the length that the request implies',
    async (length) => {
      const plaintext = bytesOf(length);
      const encrypted = await encrypt({ body: plaintext, context });
      expect(encrypted).toMatchObject({ status: 200, isComplete: true });
      expect(encrypted.headers).toMatchObject({
        'content-type': 'application/octet-stream',
        'content-length': String(encrypted.body.length),
        'cache-control': 'no-store',
      });
      const decrypted = await decrypt({ body: encrypted.body, context });
      expect(decrypted).toMatchObject({ status: 200, isComplete: true });
      expect(decrypted.headers['content-length']).toBe(String(length));
      expect(decrypted.headers['key-id']).toBe(encrypted.headers['key-id']);
      expect(decrypted.headers['key-id']).toMatch(/\/keys\/data\/[0-9a-f]{32}$/);
      expect(decrypted.body.equals(plaintext)).toBe(true);
    },
  );

  test('of unknown length goes both ways in chunks', async () => {
    const plaintext = bytesOf(3_000_000);
    const encrypted = await encrypt({ body: inPieces(plaintext, 10_007), context });
    const decrypted = await decrypt({ body: inPieces(encrypted.body, 99_991), context });
    for (const { status, headers, isComplete } of [encrypted, decrypted]) {
      expect([status, isComplete, headers['content-length'], headers['transfer-encoding']]).toEqual([
        200,
        true,
        undefined,
        'chunked',
      ]);
    }
    expect(decrypted.body.equals(plaintext)).toBe(true);
  });

  test('in pieces of a few bytes, with its header cut anywhere, opens', async () => {
    const stream = await sealed(Buffer.from('short'));
    const decrypted = await decrypt({ body: inPieces(stream, 7), context });
    expect(decrypted.body.toString()).toBe('short');
  });

  test('under another key of the tenant names that key', async () => {
    const encrypted = await encrypt({ body: Buffer.from('a'), context }, 'fabrikam', '?key=archive');
    expect(encrypted.headers['key-id']).toMatch(/\/keys\/archive\//);
    expect((await decrypt({ body: encrypted.body, context }, 'fabrikam')).body.toString()).toBe('a');
  });

  test('costs no vault call while the data key is warm', async () => {
    await sealed(Buffer.from('warm'));
    const calls = service.vaultCalls('contoso').length;
    const stream = await sealed(bytesOf(2_000_000));
    expect((await decrypt({ body: stream, context })).isComplete).toBe(true);
    expect(service.vaultCalls('contoso').length).toBe(calls);
  });

  test('accepts Expect: 100-continue, and is refused before its body is sent', async () => {
    const headers = { Expect: '100-continue' };
    const encrypted = await encrypt({ body: Buffer.from('expected'), headers });
    expect((await decrypt({ body: encrypted.body, headers })).body.toString()).toBe('expected');
    const unsent = (async function* () {
      await new Promise(() => undefined);
      yield Buffer.alloc(0);
    })();
    expect(await encrypt({ body: unsent, headers, token: '' })).toMatchObject({ status: 401 });
  });
});

describe('a request that is refused before the first byte', () => {
  const body = Buffer.from('a');
  test.each<[string, Readonly<Record<string, string>>, string, number]>([
    ['a text', { 'Content-Type': 'text/plain' }, 'unsupported-media-type', 415],
    ['JSON', { 'Content-Type': 'application/json' }, 'unsupported-media-type', 415],
    ['compressed', { 'Content-Encoding': 'gzip' }, 'unsupported-media-type', 415],
  ])('because its body is %s is %s', async (_case, headers, code, status) => {
    expect(await encrypt({ body, headers })).toMatchObject({ status, problem: { code } });
    expect(await decrypt({ body, headers })).toMatchObject({ status, problem: { code } });
  });

  test.each<[string, string]>([
    ['no base64', '{"a":"b"}'],
    ['base64 of spare bits', 'eyJhIjoiYiJ9Cg'.replace(/g$/, 'h')],
    ['no UTF-8', Buffer.of(0x22, 0xff, 0x22).toString('base64url')],
    ['no JSON', Buffer.from('{a}').toString('base64url')],
    ['empty', ''],
    ['null', Buffer.from('null').toString('base64url')],
    ['an array', Buffer.from('["a"]').toString('base64url')],
    ['of numbers', Buffer.from('{"a":1}').toString('base64url')],
    ['with __proto__', Buffer.from('{"__proto__":"a"}').toString('base64url')],
    ['with a reserved name', Buffer.from('{"vaultspan-a":"a"}').toString('base64url')],
    ['with a lone surrogate', Buffer.from('{"a":"\\ud800"}').toString('base64url')],
    ['too large', Buffer.from(JSON.stringify({ a: 'x'.repeat(1_025) })).toString('base64url')],
  ])('because its context is %s names the header', async (_case, header) => {
    for (const answer of [
      await encrypt({ body, headers: { 'Encryption-Context': header } }),
      await decrypt({ body, headers: { 'Encryption-Context': header } }),
    ]) {
      expect(answer).toMatchObject({
        status: 400,
        problem: { code: 'malformed-request', errors: [{ pointer: '/header/Encryption-Context' }] },
      });
    }
  });

  test('for a name that the tenant requires of new data names the header, and old data opens without', async () => {
    const refused = await encrypt({ body }, 'fabrikam');
    expect(refused).toMatchObject({ status: 400, problem: { errors: [{ pointer: '/header/Encryption-Context' }] } });
    const taken = await encrypt({ body, context }, 'fabrikam');
    expect((await decrypt({ body: taken.body, context }, 'fabrikam')).body.toString()).toBe('a');
  });

  test('for its alias, or for an unknown query, names the place', async () => {
    expect(await encrypt({ body }, 'contoso', '?key=nope')).toMatchObject({
      status: 422,
      problem: { code: 'unknown-key-alias', errors: [{ pointer: '/query/key' }] },
    });
    expect(await encrypt({ body }, 'contoso', '?kee=data')).toMatchObject({
      status: 400,
      problem: { errors: [{ pointer: '/query/kee' }] },
    });
    const query = await postStream(service, '/tenants/contoso/streams/decrypt?key=data', { body });
    expect(query).toMatchObject({ status: 400, problem: { errors: [{ pointer: '/query/key' }] } });
  });

  test('for another method names the allowed one', async () => {
    const answer = await service.request().get('/tenants/contoso/streams/encrypt');
    expect([answer.status, answer.headers['allow']]).toEqual([405, 'POST']);
  });

  test('for lack of a token or a role', async () => {
    const token = await service.emulator.issueCallerToken({ roles: ['Data.Decrypt'] });
    expect((await encrypt({ body, token: '' })).status).toBe(401);
    expect(await encrypt({ body, token })).toMatchObject({ status: 403, problem: { code: 'grant-missing' } });
    expect(await decrypt({ body, token })).toMatchObject({ status: 400, problem: { code: 'malformed-ciphertext' } });
  });

  test.each(['encrypt', 'decrypt'])('over HTTP/1.0 is 505: %s', async (operation) => {
    const answer = await rawRequest(
      `POST /tenants/contoso/streams/${operation} HTTP/1.0\r\nAuthorization: Bearer ${service.token()}\r\n` +
        'Content-Type: application/octet-stream\r\nContent-Length: 1\r\n\r\na',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 505 /);
    expect(answer).toContain('"code":"http-version"');
  });
});

/** Returns the whole answer. */
function rawRequest(text: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(Number(new URL(service.url).port), '127.0.0.1', () => socket.write(text));
    socket.on('data', (piece) => {
      answer += piece.toString('latin1');
    });
    socket.on('error', () => undefined).on('close', () => resolve(answer));
  });
}

describe('a sealed stream', () => {
  let stream: Buffer;
  let plaintext: Buffer;
  beforeAll(async () => {
    plaintext = bytesOf(2_500_000);
    stream = await sealed(plaintext);
  });

  test.each<[string, (context?: unknown) => Promise<unknown>, string, number]>([
    ['with another context', () => decrypt({ body: stream, context: { file: 'other' } }), 'context-mismatch', 422],
    ['with no context', () => decrypt({ body: stream }), 'context-mismatch', 422],
    ['of another tenant', () => decrypt({ body: stream, context }, 'fabrikam'), 'wrong-tenant', 422],
    ['of no bytes', () => decrypt({ body: Buffer.alloc(0), context }), 'malformed-ciphertext', 400],
    ['of its start alone', () => decrypt({ body: stream.subarray(0, 6), context }), 'malformed-ciphertext', 400],
    ['of half its header', () => decrypt({ body: stream.subarray(0, 300), context }), 'malformed-ciphertext', 400],
    [
      'of its header and nothing more',
      () => decrypt({ body: stream.subarray(0, prefixBytes(stream)), context }),
      'malformed-ciphertext',
      400,
    ],
    [
      'of an impossible length',
      () => decrypt({ body: stream.subarray(0, prefixBytes(stream) + SEGMENT + 16), context }),
      'malformed-ciphertext',
      400,
    ],
    [
      'with a changed header',
      () => decrypt({ body: withJwe(stream, jweOf(stream).slice(0, -22).concat('A'.repeat(22))), context }),
      'undecryptable',
      422,
    ],
    [
      'whose header names too short a length',
      () => decrypt({ body: withJwe(stream, jweOf(stream).slice(0, -4)), context }),
      'malformed-ciphertext',
      400,
    ],
    [
      'cut in its first segment',
      () => decrypt({ body: stream.subarray(0, prefixBytes(stream) + 5_000), context }),
      'undecryptable',
      422,
    ],
    ['cut to one whole segment', () => decrypt({ body: oneSegment(), context }), 'undecryptable', 422],
    [
      'whose body is of another stream of the same tenant and data key',
      async () => decrypt({ body: withJwe(await sealed(plaintext), jweOf(stream)), context }),
      'undecryptable',
      422,
    ],
  ])('%s is refused with a problem', async (_case, send, code, status) => {
    expect(await send()).toMatchObject({ status, problem: { code }, isComplete: true });
  });

  const oneSegment = () => stream.subarray(0, prefixBytes(stream) + SEGMENT);

  test('and a message are distinguished, both ways, and by rewrap', async () => {
    const message = await service.post('/tenants/contoso/encrypt', {
      plaintext: randomBytes(32).toString('base64'),
      encryptionContext: context,
    });
    const { ciphertext } = message.body;
    const malformed = { status: 400, problem: { code: 'malformed-ciphertext' } };
    expect(await decrypt({ body: withJwe(stream, ciphertext), context })).toMatchObject(malformed);
    const body = { ciphertext: jweOf(stream), encryptionContext: context };
    for (const path of ['decrypt', 'rewrap']) {
      expect((await service.post(`/tenants/contoso/${path}`, body)).body.code).toBe('malformed-ciphertext');
    }
    const rewrapped = await service.post('/tenants/contoso/streams/rewrap-header', { ...body, ciphertext });
    expect(rewrapped.body.code).toBe('malformed-ciphertext');
  });

  test.each<[string, () => Buffer]>([
    ['truncated in a later segment', () => stream.subarray(0, -700_000)],
    ['truncated between segments', () => stream.subarray(0, prefixBytes(stream) + 2 * SEGMENT)],
    ['truncated by a byte', () => stream.subarray(0, -1)],
    ['with a byte appended', () => Buffer.concat([stream, Buffer.of(0)])],
    ['changed in its last segment', () => flipLast()],
  ])('%s is cut after the verified part, whether its length is kept or not', async (_case, tampered) => {
    for (const body of [tampered(), inPieces(tampered(), 50_000)]) {
      const answer = await decrypt({ body, context });
      expect(answer).toMatchObject({ status: 200, isComplete: false });
      expect(answer.body.length).toBeLessThan(plaintext.length);
      expect(answer.body.equals(plaintext.subarray(0, answer.body.length))).toBe(true);
    }
  });

  function flipLast(): Buffer {
    const copy = Buffer.from(stream);
    copy.writeUInt8(copy.readUInt8(copy.length - 1) ^ 1, copy.length - 1);
    return copy;
  }

  test('opens with a header moved to another key or tenant; the body stays the same', async () => {
    const rewrap = (tenant: string, body: object) =>
      service.post(`/tenants/${tenant}/streams/rewrap-header`, { encryptionContext: context, ...body });
    const moved = await rewrap('contoso', {
      ciphertext: jweOf(stream),
      to: { tenantId: 'fabrikam', key: 'archive' },
    });
    expect(moved.body.keyId).toMatch(/\/keys\/archive\//);
    const back = await rewrap('fabrikam', { ciphertext: moved.body.ciphertext, to: { tenantId: 'contoso' } });
    const answers = [
      await decrypt({ body: withJwe(stream, moved.body.ciphertext), context }, 'fabrikam'),
      await decrypt({ body: withJwe(stream, back.body.ciphertext), context }),
    ];
    for (const { body } of answers) expect(body.equals(plaintext)).toBe(true);
    const wrongTenant = await decrypt({ body: withJwe(stream, moved.body.ciphertext), context });
    expect(wrongTenant.problem.code).toBe('wrong-tenant');
    const wrong = await service.post('/tenants/contoso/streams/rewrap-header', { ciphertext: jweOf(stream) });
    expect(wrong.body.code).toBe('context-mismatch');
  });

  test('is moved only by a caller that may encrypt at the target, and to no suspended tenant', async () => {
    const body = { encryptionContext: context, ciphertext: jweOf(stream), to: { tenantId: 'fabrikam' } };
    const path = '/tenants/contoso/streams/rewrap-header';
    const reader = await service.emulator.issueCallerToken({ roles: ['Data.Decrypt'] });
    expect((await service.post(path, body, reader)).body).toMatchObject({
      code: 'grant-missing',
      reason: 'Data.Encrypt',
    });
    const limited = await service.emulator.issueCallerToken({
      roles: ['Data.Decrypt', 'Data.Encrypt'],
      claims: { azp: 'of-contoso' },
    });
    expect((await service.post(path, body, limited)).body.code).toBe('tenant-not-found');
    expect((await service.post(path, { ...body, to: { tenantId: 'adatum' } })).body.code).toBe('tenant-suspended');
    expect((await service.post(path, body)).status).toBe(200);
  });
});
