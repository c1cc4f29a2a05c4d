import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import process from 'node:process';
import { afterAll, beforeAll, describe, test } from '@jest/globals';
import { ClientSecretHomeCredential } from '../../src/azure/home/home-credential.ts';
import { signInByAssertion } from '../../src/azure/home/home-sign-in.ts';
import { HomeVault } from '../../src/azure/home/home-vault.ts';
import { VaultSigner } from '../../src/azure/home/home-vault-signer.ts';
import { platformCredential } from '../../src/azure/home/platform-credential.ts';
import { sharedPipeline, VaultClient } from '../../src/azure/vault/vault-client.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { until } from '../support/until.ts';

const APP = 'c0b7e1f4-92d6-4f38-8a5b-1d64e93f7a02';
const DIRECTORY = '3e7a90d5-18c4-4b6f-a2d7-94f05c61b8e3';
const SCOPE = 'https://vault.azure.net/.default';
const DEADLINE_MS = 1_000;

/** Accepts connections and never answers, so that even the TLS handshake waits. */
let server: Server;
let host: string;
const open = new Set<Socket>();
let accepted = 0;
beforeAll(async () => {
  server = createServer((socket) => {
    accepted += 1;
    open.add(socket);
    socket.resume(); // otherwise its end would not be noticed
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  for (const socket of open) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

const access = () => ({ appId: APP, authorityHost: `https://${host}`, unsafeAllowEmulator: true });
const vaultAccess = () => ({
  vaultUrl: `https://${host}`,
  credential: { getToken: async () => ({ token: 'token', expiresOnTimestamp: Date.now() + 60_000 }) },
  unsafeAllowEmulator: true,
  deadlineMs: DEADLINE_MS,
  clock: systemClock,
});
const versions = async () => ({
  usable: [{ version: '1', value: 'secret', created: 0, expires: undefined }],
  unusable: [],
});

const calls: Readonly<Record<string, () => Promise<unknown>>> = {
  'sign-in by a secret': () =>
    new ClientSecretHomeCredential({
      ...access(),
      secretName: 'secret',
      vault: { versions },
      clock: systemClock,
      onRotation: () => undefined,
    }).signIn(DIRECTORY, SCOPE, AbortSignal.timeout(DEADLINE_MS)),
  'sign-in by an assertion': () =>
    signInByAssertion(
      access(),
      { entraTenantId: DIRECTORY, scope: SCOPE, signal: AbortSignal.timeout(DEADLINE_MS) },
      'a.b.c',
    ),
  'token of a managed identity': () =>
    platformCredential({ identity: 'managed-identity', authorityHost: '', deadlineMs: DEADLINE_MS }).getToken(SCOPE),
  'read of the home vault': () => new HomeVault(vaultAccess()).versions('secret', 1),
  'signature by the home vault': () =>
    new VaultSigner({ ...vaultAccess(), keyName: 'app', isCertificate: true, algorithm: 'PS256' }).sign(
      '0'.repeat(32),
      Buffer.from('input'),
    ),
  'call of a customer’s vault': () => {
    const { vaultUrl, credential } = vaultAccess();
    const options = { clientRequestId: APP, abortSignal: new AbortController().signal, onRequestId: () => undefined };
    return new VaultClient(vaultUrl, credential, vaultAccess(), sharedPipeline(vaultAccess())).getKey(
      'data',
      undefined,
      options,
    );
  },
};

describe('a server that never answers', () => {
  beforeAll(() => {
    process.env['IDENTITY_ENDPOINT'] = `http://${host}/msi/token`;
    process.env['IDENTITY_HEADER'] = 'header';
  });

  test.each(Object.keys(calls))('holds no connection of a %s after its deadline', async (name) => {
    const before = accepted;
    await Promise.allSettled([calls[name]?.(), calls[name]?.(), calls[name]?.()]);
    await until(() => accepted > before, 'a connection');
    await until(() => open.size === 0, 'all connections are closed');
  });
});
