import { randomInt } from 'node:crypto';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CryptographyClient } from '@azure/keyvault-keys';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Emulator, startEmulator } from '../../src/emulator/emulator.ts';
import type { DirectoryBuilder } from '../../src/emulator/seed.ts';
import {
  appCredential,
  customerNamed,
  keyClientOf,
  startTrusted,
  vaultOptions,
  WRAP_ROLE,
} from '../support/emulator-clients.ts';

const seed = (directory: DirectoryBuilder): void =>
  directory.addCustomer({ name: 'contoso', keys: ['data'], role: WRAP_ROLE });

let folder: string;
let stateFile: string;
let running: Emulator[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'emulator-'));
  stateFile = join(folder, 'azure', 'state.json');
});

afterEach(async () => {
  await Promise.all(running.map((emulator) => emulator.close()));
  running = [];
  await rm(folder, { recursive: true });
});

async function start(options: Parameters<typeof startTrusted>[0] = {}): Promise<Emulator> {
  const emulator = await startTrusted({ seed, ...options });
  running.push(emulator);
  return emulator;
}

async function stop(emulator: Emulator): Promise<void> {
  running = running.filter((other) => other !== emulator);
  await emulator.close();
}

async function wrapper(emulator: Emulator, version: string): Promise<CryptographyClient> {
  const id = `${customerNamed(emulator, 'contoso').vaultUrl}/keys/data/${version}`;
  return new CryptographyClient(id, await appCredential(emulator, 'contoso'), vaultOptions);
}

describe('with a state file', () => {
  test('a value wrapped before a restart unwraps after it', async () => {
    const dek = Buffer.alloc(32, 7);
    const before = await start({ stateFile });
    const { properties } = await (await keyClientOf(before, 'contoso')).getKey('data');
    const version = properties.version ?? '';
    const { result } = await (await wrapper(before, version)).wrapKey('RSA-OAEP-256', dek);
    await before.control.rotateKey({ vault: 'contoso', key: 'data' });
    await stop(before);

    const after = await start({ stateFile });
    const { result: unwrapped } = await (await wrapper(after, version)).unwrapKey('RSA-OAEP-256', result);
    expect(Buffer.from(unwrapped)).toEqual(dek);
    expect(after).toMatchObject({
      caPem: before.caPem,
      managedIdentity: { header: before.managedIdentity.header },
      callers: before.callers,
    });
  });

  test('a revocation survives a restart', async () => {
    const before = await start({ stateFile });
    await before.control.disableKey({ vault: 'contoso', key: 'data' });
    await stop(before);
    const after = await start({ stateFile });
    const client = await keyClientOf(after, 'contoso');
    expect((await client.getKey('data')).properties.enabled).toBe(false);
  });

  test('only the owner can read the file', async () => {
    await start({ stateFile });
    expect((await stat(stateFile)).mode & 0o777).toBe(0o600);
  });

  test.each([
    ['broken', '{"formatVersion":'],
    ['of another version', '{"formatVersion":99}'],
  ])('a file that is %s prevents the start and stays unchanged', async (_what, text) => {
    const path = join(folder, 'state.json');
    await writeFile(path, text);
    await expect(startEmulator({ firstPort: 0, stateFile: path })).rejects.toThrow('move it away to start afresh');
    expect((await stat(path)).size).toBe(text.length);
  });
});

describe('without a state file', () => {
  test('every start creates another Azure', async () => {
    const [one, other] = [await start(), await start()];
    expect(other.caPem).not.toBe(one.caPem);
  });

  test('the demo has its four customers', async () => {
    const { customers } = await start({ seed: undefined } as object);
    expect(customers.map(({ name, keys }) => [name, keys])).toEqual([
      ['contoso', ['data', 'wrap']],
      ['fabrikam', ['data', 'archive']],
      ['northwind', ['data']],
      ['adatum', ['data']],
    ]);
  });
});

describe('on fixed ports', () => {
  test('the error names a port in use and its purpose, and no listener stays open', async () => {
    const { server, port } = await occupy();
    const firstPort = port - 1;
    await expect(startEmulator({ firstPort, seed })).rejects.toThrow(
      `Port ${port} is taken; the emulated Azure wanted it for the home vault`,
    );
    await new Promise((resolve) => server.close(resolve));
    const emulator = await start({ firstPort });
    expect(emulator).toMatchObject({
      controlUrl: `http://127.0.0.1:${firstPort - 1}`,
      authorityHost: `https://localhost:${firstPort}`,
      homeVaultUrl: `https://localhost:${port}`,
      customers: [{ vaultUrl: `https://localhost:${firstPort + 2}` }],
    });
  });
});

/** Takes a port below those that systems assign, so that its neighbours stay free. */
async function occupy(): Promise<{ server: Server; port: number }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(randomInt(21_000, 31_000), '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('No port was given');
  return { server, port: address.port };
}
