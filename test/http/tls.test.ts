import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createCa, createLeaf, createSelfSigned } from '../../src/emulator/x509/certificates.ts';
import { type CertificateFiles, readCertificate } from '../../src/http/server/certificate-files.ts';
import { openServedCertificate, type ServedCertificateOptions } from '../../src/http/server/served-certificate.ts';
import { listen } from '../../src/http/server/server.ts';
import { until } from '../support/until.ts';

type Pair = Awaited<ReturnType<typeof createLeaf>>;
const DAY_MS = 86_400_000;

let folder: string;
let ca: Pair;
let otherCa: Pair;
let leaf: Pair;
let client: Pair;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tls-'));
  [ca, otherCa] = await Promise.all([createCa(), createCa()]);
  [leaf, client] = await Promise.all([createLeaf(ca), createLeaf(otherCa)]);
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

let written = 0;

async function write(content: string): Promise<string> {
  written += 1;
  const file = join(folder, `${written}.pem`);
  await writeFile(file, content);
  return file;
}

const filesOf = async (pair: Pair, clientCa?: string): Promise<CertificateFiles> => ({
  certificateFile: await write(pair.certPem),
  keyFile: await write(pair.keyPem),
  ...(clientCa !== undefined && { clientCaFile: await write(clientCa) }),
});

/** Replaces a file as a renewal does: with a new file under the same name. */
async function replace(file: string, content: string): Promise<void> {
  await rename(await write(content), file);
}

function selfSigned(endMs: number, type: 'ec' | 'rsa' = 'ec'): Pair {
  const { privateKey } =
    type === 'ec'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: 2048 });
  const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { certPem: createSelfSigned(createPrivateKey(keyPem), 'localhost', endMs), keyPem };
}

/** Starts a listener that answers hello, with its certificate's reports. */
async function open(files: CertificateFiles, wallMs: () => number = Date.now) {
  const told: string[] = [];
  const options: ServedCertificateOptions = {
    files,
    pollMs: 10,
    wallMs,
    onReload: () => told.push('reread'),
    onBrokenEdit: ({ message }) => told.push(message),
    onDates: ({ validTo }) => told.push(`ends ${validTo.toISOString()}`),
  };
  const certificate = await openServedCertificate(options);
  let refused = 0;
  const server = await listen(() => (_req, res) => res.end('hello'), {
    host: '127.0.0.1',
    port: 0,
    certificate,
    onRefusedClient: () => {
      refused += 1;
    },
  });
  return {
    url: server.url,
    port: Number(new URL(server.url).port),
    certificate,
    told,
    refused: () => refused,
    [Symbol.asyncDispose]: async () => {
      await server.drain(0);
      await certificate.close();
    },
  };
}

interface Answer {
  readonly body: string;
  readonly socket: TLSSocket;
}

function get(url: string, options: object = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request(url, { ca: ca.certPem, agent: false, ...options }, (res) => {
      text(res).then((body) => resolve({ body, socket: res.socket as TLSSocket }), reject);
    })
      .on('error', reject)
      .end();
  });
}

const serialOf = async (port: number): Promise<string> => {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
};

describe('a listener with a certificate', () => {
  test('answers over TLS 1.3, and over 1.2 for older clients; 1.1 and plain HTTP get nothing', async () => {
    await using server = await open(await filesOf(leaf));
    expect(server.url).toMatch(/^https:/);
    const { body, socket } = await get(server.url);
    expect([body, socket.getProtocol()]).toEqual(['hello', 'TLSv1.3']);
    const older = await get(server.url, { maxVersion: 'TLSv1.2' });
    expect([older.body, older.socket.getProtocol()]).toEqual(['hello', 'TLSv1.2']);
    const oldest = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' };
    await expect(get(server.url, oldest)).rejects.toMatchObject({ code: 'EPROTO' });
    const plain = connectPlain(server.port, '127.0.0.1');
    plain.end('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(await text(plain)).not.toContain('hello');
    expect((await get(server.url)).body).toBe('hello'); // and continues
  });

  test.each([
    ['ECDHE-ECDSA-AES128-GCM-SHA256', true],
    ['ECDHE-ECDSA-CHACHA20-POLY1305', true],
    ['ECDHE-ECDSA-AES128-SHA256', false],
    ['ECDHE-ECDSA-AES256-SHA', false],
    ['ECDHE-RSA-AES256-GCM-SHA384', true],
    ['ECDHE-RSA-AES128-SHA256', false],
    ['AES128-GCM-SHA256', false],
    ['AES256-SHA', false],
  ])('under TLS 1.2, a client that offers only %s is served: %s', async (ciphers, isServed) => {
    await using server = await open(
      await filesOf(ciphers.includes('ECDSA') ? leaf : selfSigned(Date.now() + DAY_MS, 'rsa')),
    );
    const answer = get(server.url, { maxVersion: 'TLSv1.2', ciphers, rejectUnauthorized: false });
    if (isServed) expect((await answer).socket.getCipher().name).toBe(ciphers);
    else await expect(answer).rejects.toMatchObject({ code: expect.stringMatching(/^(EPROTO|ECONNRESET|ERR_SSL.*)$/) });
  });

  test('is refused by a client that trusts another CA', async () => {
    await using server = await open(await filesOf(leaf));
    await expect(get(server.url, { ca: otherCa.certPem })).rejects.toMatchObject({
      code: expect.stringMatching(/UNABLE_TO/),
    });
  });

  test('is drained without waiting for clients that connected and never finished a handshake', async () => {
    const server = await open(await filesOf(leaf));
    const silent = connectPlain(server.port, '127.0.0.1');
    await once(silent, 'connect');
    expect((await get(server.url)).body).toBe('hello'); // so that the server has seen the previous one
    const closed = once(silent.resume(), 'close');
    await server[Symbol.asyncDispose]();
    await closed;
  }, 10_000); // a handshake may take 15 s

  test('uses new files for new connections; current ones continue', async () => {
    const files = await filesOf(leaf);
    await using server = await open(files);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const first = await get(server.url, { agent });
    const serial = await serialOf(server.port);
    const renewed = await createLeaf(ca);
    await replace(files.certificateFile, renewed.certPem);
    await replace(files.keyFile, renewed.keyPem);
    await until(() => server.told.includes('reread'), 'it is reread');
    expect(await serialOf(server.port)).not.toBe(serial);
    const second = await get(server.url, { agent });
    expect([second.body, second.socket === first.socket]).toEqual(['hello', true]);
    agent.destroy();
  });

  test('keeps the last good certificate when the new files are broken, reports it, and recovers', async () => {
    const files = await filesOf(leaf);
    await using server = await open(files);
    const serial = await serialOf(server.port);
    await replace(files.keyFile, (await createLeaf(ca)).keyPem);
    await until(() => server.told.length > 0, 'it is told');
    expect(server.told).toEqual([expect.stringContaining('is not the key of the first certificate')]);
    expect(server.certificate.trouble()).toContain('http.keyFile');
    await rm(files.certificateFile);
    await until(() => server.told.some((line) => line.includes('ENOENT')), 'the missing file is told');
    expect(await serialOf(server.port)).toBe(serial);
    await replace(files.certificateFile, leaf.certPem);
    await replace(files.keyFile, leaf.keyPem);
    await until(() => server.certificate.trouble() === undefined, 'it is mended');
    expect((await get(server.url)).body).toBe('hello');
  });

  test('reports dates: an expired certificate at start, and one that is about to expire, once a day', async () => {
    const past = selfSigned(Date.now() - DAY_MS);
    await using server = await open(await filesOf(past));
    expect(server.told).toEqual([expect.stringMatching(/^ends /)]);
    expect(server.certificate.trouble()).toBe('not valid now');
    await expect(get(server.url, { ca: past.certPem })).rejects.toMatchObject({ code: 'CERT_HAS_EXPIRED' });
    let nowMs = Date.now();
    await using lasting = await open(await filesOf(leaf), () => nowMs);
    expect([lasting.told, lasting.certificate.trouble()]).toEqual([[], undefined]);
    nowMs += 380 * DAY_MS; // of 390
    await until(() => lasting.told.length === 1, 'its end is told');
    expect(lasting.certificate.trouble()).toBeUndefined();
    nowMs += DAY_MS;
    await until(() => lasting.told.length === 2, 'its end is told again');
  });
});

describe('mutual TLS', () => {
  const shown = () => ({ key: client.keyPem, cert: client.certPem });

  test('answers a client with a certificate of the CAs, and counts the others', async () => {
    await using server = await open(await filesOf(leaf, otherCa.certPem));
    const { body } = await get(server.url, shown());
    expect([body, server.refused()]).toEqual(['hello', 0]);
    const foreign = { key: leaf.keyPem, cert: leaf.certPem };
    const stale = selfSigned(Date.now() - DAY_MS);
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3']) {
      await expect(get(server.url, { maxVersion })).rejects.toThrow();
      await expect(get(server.url, { maxVersion, ...foreign })).rejects.toThrow();
      await expect(get(server.url, { maxVersion, key: stale.keyPem, cert: stale.certPem })).rejects.toThrow();
    }
    await until(() => server.refused() === 6, 'each is counted');
    expect((await get(server.url, shown())).body).toBe('hello');
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'after a change of CAs no %s session can be resumed',
    async (maxVersion) => {
      const files = await filesOf(leaf, otherCa.certPem);
      await using server = await open(files);
      const options = { port: server.port, host: '127.0.0.1', ca: ca.certPem, maxVersion, ...shown() } as const;
      const session = await sessionOf(options);
      expect(await speak({ ...options, session })).toBe('resumed: hello');
      await replace(files.clientCaFile ?? '', ca.certPem);
      await until(() => server.told.includes('reread'), 'it is reread');
      expect(await speak({ ...options, session })).toBe('');
      expect(await speak({ ...options, key: leaf.keyPem, cert: leaf.certPem })).toBe('hello');
    },
  );
});

/** Returns the server's answer over one connection; '' if it was closed without an answer. */
async function speak(options: ConnectionOptions): Promise<string> {
  const socket = connect(options);
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  const resumed = once(socket, 'secureConnect').then(
    () => socket.isSessionReused(),
    () => false,
  );
  const answer = await text(socket).catch(() => '');
  if (!answer.includes('hello')) return '';
  return (await resumed) ? 'resumed: hello' : 'hello';
}

async function sessionOf(options: ConnectionOptions): Promise<Buffer> {
  const socket = connect(options);
  const [session] = (await once(socket, 'session')) as [Buffer];
  socket.destroy();
  return session;
}

describe('unusable files', () => {
  const problemOf = async (files: Partial<CertificateFiles>) =>
    readCertificate({ ...(await filesOf(leaf)), ...files }).then(
      () => 'none',
      (error: Error) => `${error.name}: ${error.message}`,
    );

  test('are reported with the setting and the fix, and never quoted', async () => {
    expect(await problemOf({})).toBe('none');
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 512 });
    const small = createSelfSigned(privateKey, 'small', Date.now() + DAY_MS);
    const encrypted = createPrivateKey(leaf.keyPem)
      .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
      .toString();
    const cases: readonly (readonly [Partial<CertificateFiles>, string])[] = [
      [{ certificateFile: join(folder, 'none.pem') }, 'http.certificateFile: .* cannot be read \\(ENOENT\\)'],
      [{ certificateFile: await write('nothing') }, 'http.certificateFile: .* contains no PEM certificate'],
      [{ keyFile: await write(leaf.certPem) }, 'http.keyFile: .* contains no PEM private key'],
      [{ keyFile: await write(encrypted) }, 'http.keyFile: .* is encrypted: store it decrypted'],
      [{ keyFile: await write(client.keyPem) }, 'http.keyFile: .* is not the key of the first certificate'],
      [{ certificateFile: await write(ca.certPem + leaf.certPem) }, "Put the server's own certificate first"],
      [{ clientCaFile: await write('') }, 'http.clientCaFile: .* contains no PEM certificate'],
      [
        {
          certificateFile: await write(small),
          keyFile: await write(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()),
        },
        'cannot be used for TLS \\(ERR_SSL_EE_KEY_TOO_SMALL\\)',
      ],
    ];
    for (const [files, problem] of cases) {
      const message = await problemOf(files);
      expect(message).toMatch(new RegExp(`^CertificateError: .*${problem}`));
      expect(message).not.toContain('-----');
    }
  });
});
