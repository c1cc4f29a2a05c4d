import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { describe, expect, test } from '@jest/globals';
import { openDatabase } from '../../src/database/open-database.ts';
import { connectionOf, type PostgresTls } from '../../src/database/postgres-connection.ts';
import { tenantChanges } from '../../src/database/tables/tenant-rows.ts';
import { createCa, createLeaf } from '../../src/emulator/x509/certificates.ts';

const connect = (url: string, more: object = {}) => connectionOf({ url, ...more }, url);

describe('a PostgreSQL URL', () => {
  test('is split into its parts, with escapes decoded', async () => {
    expect(await connect('postgres://a%40b:p%2Fw@db.example:6432/tenants')).toMatchObject({
      user: 'a@b',
      password: 'p/w',
      host: 'db.example',
      port: 6432,
      database: 'tenants',
    });
    expect(
      await connect('postgresql://ann@/tenants?host=/var/run/postgresql&options=-c%20search_path%3Dv'),
    ).toMatchObject({
      user: 'ann',
      host: '/var/run/postgresql',
      port: 5432,
      options: '-c search_path=v',
    });
    expect(await connect('postgres://ann@[::1]/tenants')).toMatchObject({ host: '::1' });
  });

  test.each([
    ['mysql://ann@db.example/tenants', /must be of the form/],
    ['tenants.sqlite', /must be of the form/],
    ['postgres://ann:secret@db.example/tenants?sslmod=require', /parameter sslmod; supported are/],
    ['postgres://ann:secret@db.example/tenants?sslmode=prefer', /sslmode=prefer, which is not supported/],
  ])('%s is refused without showing its password', async (url, message) => {
    const refused = connect(url);
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.not.toThrow(/secret/);
  });

  test('is verified over TLS unless it is on this machine or configured otherwise', async () => {
    const sslOf = async (url: string, more?: object) => (await connect(url, more)).ssl;
    const remote = 'postgres://ann@db.example/tenants';
    expect(await sslOf(remote)).toMatchObject({ rejectUnauthorized: true });
    expect(await sslOf('postgres://ann@10.0.0.1/tenants')).toMatchObject({
      rejectUnauthorized: true,
      host: '10.0.0.1',
    });
    expect(await sslOf('postgres://ann@localhost/tenants')).toBe(false);
    expect(await sslOf('postgres://ann@/tenants?host=/run')).toBe(false);
    expect(await sslOf(`${remote}?sslmode=require`)).toMatchObject({ rejectUnauthorized: false });
    expect(await sslOf(`${remote}?sslmode=disable`)).toBe(false);
    expect(await sslOf(`${remote}?sslmode=disable`, { tls: { mode: 'verify-full' } })).toMatchObject({
      rejectUnauthorized: true,
    });
    const folder = await mkdtemp(join(tmpdir(), 'ca-'));
    const caFile = join(folder, 'ca.pem');
    await writeFile(caFile, 'PEM');
    expect(await sslOf(remote, { tls: { mode: 'verify-full', caFile } })).toMatchObject({ ca: 'PEM' });
    await rm(folder, { recursive: true });
  });

  test("lets a function's password override its own, and uses limits that a pooler accepts", async () => {
    const password = async () => 'token';
    const url = 'postgres://ann:old@localhost/tenants';
    expect(await connect(url, { password })).toMatchObject({
      password,
      query_timeout: 6_000,
    });
    expect(await connect(url)).not.toHaveProperty('statement_timeout');
    expect(await connect(url, { statementTimeoutMs: 0 })).not.toHaveProperty('query_timeout');
  });
});

/**
 * Starts a server that requests the password in clear text, as Azure's requests a token over TLS,
 * and then disconnects.
 */
async function openAskingServer() {
  const passwords: string[] = [];
  const server = createServer((socket) => {
    socket.once('data', () => {
      socket.write(Buffer.from('520000000800000003', 'hex'));
      socket.once('data', (message) => {
        passwords.push(Buffer.from(message).toString('latin1', 5, message.length - 1));
        socket.destroy();
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `postgres://ann:old@127.0.0.1:${(server.address() as AddressInfo).port}/tenants`,
    passwords,
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}

describe('connecting to a PostgreSQL', () => {
  test('requests the password again each time', async () => {
    await using server = await openAskingServer();
    let asked = 0;
    const password = async () => {
      asked += 1;
      return `token-${asked}`;
    };
    const { read, close } = await openDatabase({ url: server.url, password });
    await expect(read(tenantChanges.lastSequence)).rejects.toMatchObject({ code: 'registry-unavailable' });
    await close();
    expect(server.passwords).toEqual(['token-1', 'token-2']); // a lost connection is retried once
  });

  test('without a token is an outage like any other', async () => {
    await using server = await openAskingServer();
    const password = () => Promise.reject(new Error('no token'));
    const { read, close } = await openDatabase({ url: server.url, password });
    await expect(read(tenantChanges.lastSequence)).rejects.toMatchObject({ code: 'registry-unavailable' });
    await close();
    expect(server.passwords).toEqual([]);
  });
});

/**
 * Starts a server that starts TLS on request, as PostgreSQL does, and disconnects at the first
 * message inside.
 */
async function openTlsServer({ certPem: cert, keyPem: key }: { readonly certPem: string; readonly keyPem: string }) {
  let isReached = false;
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => {
      socket.write('S');
      const secured = new TLSSocket(socket, { isServer: true, cert, key });
      secured.on('error', () => socket.destroy());
      secured.once('data', () => {
        isReached = true;
        secured.destroy();
      });
    });
  });
  server.listen(0);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    /**
     * Returns whether a connection with these options trusts the server enough to send its user.
     */
    isTrusted: async (host: string, tls: PostgresTls) => {
      isReached = false;
      const { read, close } = await openDatabase({ url: `postgres://ann@${host}:${port}/tenants`, tls });
      await expect(read(tenantChanges.lastSequence)).rejects.toMatchObject({ code: 'registry-unavailable' });
      await close();
      return isReached;
    },
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}

test('verify-full trusts the configured CA, for the host it names, and require trusts any certificate', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ca-'));
  const caFile = join(folder, 'ca.pem');
  const ca = await createCa();
  await writeFile(caFile, ca.certPem);
  await using server = await openTlsServer(await createLeaf(ca, ['localhost']));
  await using elsewhere = await openTlsServer(await createLeaf(ca, ['db.example'])); // and 127.0.0.1, like all that it makes
  expect(await server.isTrusted('localhost', { mode: 'verify-full', caFile })).toBe(true);
  expect(await server.isTrusted('localhost', { mode: 'verify-full' })).toBe(false);
  expect(await elsewhere.isTrusted('localhost', { mode: 'verify-full', caFile })).toBe(false);
  expect(await elsewhere.isTrusted('127.0.0.1', { mode: 'verify-full', caFile })).toBe(true);
  expect(await elsewhere.isTrusted('localhost', { mode: 'require' })).toBe(true);
  await rm(folder, { recursive: true });
});
