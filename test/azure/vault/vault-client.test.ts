import { randomBytes, randomUUID } from 'node:crypto';
import type { ClientSecretCredential } from '@azure/identity';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type CallOptions, sharedPipeline, VaultClient } from '../../../src/azure/vault/vault-client.ts';
import type { Emulator } from '../../../src/emulator/emulator.ts';
import type { KekRef } from '../../../src/format/kek-ref.ts';
import { appCredential, customerNamed, failureOf, startTrusted } from '../../support/emulator-clients.ts';
import { heapInUse } from '../../support/heap-in-use.ts';

/**
 * SDK behaviour that is undocumented, and that VaultClient relies on. A new SDK version that
 * changes it fails here.
 */
const access = { unsafeAllowEmulator: true, deadlineMs: 10_000 };
const pipeline = sharedPipeline(access);
let emulator: Emulator;
let credential: ClientSecretCredential;
let vaultUrl: string;
let data: KekRef;
let wrap: KekRef;
let client: VaultClient;
beforeAll(async () => {
  emulator = await startTrusted();
  credential = await appCredential(emulator, 'contoso');
  ({ vaultUrl } = customerNamed(emulator, 'contoso'));
  const reader = new VaultClient(vaultUrl, credential, access, pipeline);
  [data, wrap] = [await newest(reader, 'data'), await newest(reader, 'wrap')];
});
beforeEach(() => {
  client = new VaultClient(vaultUrl, credential, access, pipeline);
  emulator.control.clearRequests();
});
afterEach(() => emulator.control.clearFaults());
afterAll(() => emulator.close());

const options = (clientRequestId: string = randomUUID(), onRequestId: (id: string | undefined) => void = () => {}) => ({
  clientRequestId,
  abortSignal: AbortSignal.timeout(10_000),
  onRequestId,
});
const bytes = randomBytes(32);

async function newest(reader: VaultClient, name: string): Promise<KekRef> {
  const { properties } = await reader.getKey(name, undefined, options());
  return { vaultUrl, name, keyVersion: properties.version ?? '' };
}

const atVault = () => emulator.control.requests().filter(({ at }) => at === 'contoso');
const calls = () => atVault().map(({ operation }) => operation);

describe('cryptography clients', () => {
  test('share the one challenge of their vault, whatever their keys, and read no key', async () => {
    for (const kek of [data, wrap, data]) {
      const wrapped = await client.wrapKey(kek, 'RSA-OAEP-256', bytes, options());
      expect(Buffer.from(await client.unwrapKey(kek, 'RSA-OAEP-256', wrapped, options()))).toEqual(bytes);
    }
    expect(calls()).toEqual(['challenge', ...Array.from({ length: 3 }, () => ['wrapKey', 'unwrapKey']).flat()]);
  });

  test.each([['RSA-OAEP'], ['RSA-OAEP-256']] as const)('wrap by %s in the vault, not locally', async (algorithm) => {
    const wrapped = await client.wrapKey(data, algorithm, bytes, options());
    expect(wrapped).toHaveLength(256);
    expect(calls()).toEqual(['challenge', 'wrapKey']);
    expect(Buffer.from(await client.unwrapKey(data, algorithm, wrapped, options()))).toEqual(bytes);
  });

  test('call the pinned version, even after a rotation', async () => {
    const wrapped = await client.wrapKey(data, 'RSA-OAEP-256', bytes, options());
    await emulator.control.rotateKey({ vault: 'contoso', key: 'data' });
    await client.unwrapKey(data, 'RSA-OAEP-256', wrapped, options());
    await client.wrapKey(data, 'RSA-OAEP-256', bytes, options());
    const paths = atVault().map(({ path }) => path.toLowerCase());
    const base = `/keys/data/${data.keyVersion}`;
    expect(paths.slice(1)).toEqual([`${base}/wrapkey`, `${base}/unwrapkey`, `${base}/wrapkey`]);
  });

  test('send the given request ids, with the challenge too', async () => {
    const [first, second] = [randomUUID(), randomUUID()];
    await client.wrapKey(data, 'RSA-OAEP-256', bytes, options(first));
    await client.getKey('wrap', undefined, options(second));
    expect(atVault().map(({ operation, clientRequestId }) => [operation, clientRequestId])).toEqual([
      ['challenge', first],
      ['wrapKey', first],
      ['getKey', second],
    ]);
  });
});

describe("the vault's id of a call", () => {
  /**
   * Returns the ids that the client reports for one call, and the ids of all answers of the vault
   * in order.
   */
  async function idsOf(call: (options: CallOptions) => Promise<unknown>) {
    const reported: (string | undefined)[] = [];
    await call(options(undefined, (id) => reported.push(id))).catch(() => undefined);
    return { reported, made: atVault().map(({ requestId }) => requestId) };
  }

  test('is reported for wrap, unwrap and read: the one of the answer, not of the challenge', async () => {
    const first = await idsOf((of) => client.wrapKey(data, 'RSA-OAEP-256', bytes, of));
    expect(first.reported).toEqual(first.made.slice(1));
    expect(first.made).toHaveLength(2);
    const wrapped = await client.wrapKey(data, 'RSA-OAEP-256', bytes, options());
    const second = await idsOf((of) => client.unwrapKey(data, 'RSA-OAEP-256', wrapped, of));
    expect(second.reported).toEqual(second.made.slice(-1));
    const third = await idsOf((of) => client.getKey('data', undefined, of));
    expect(third.reported).toEqual(third.made.slice(-1));
  });

  test.each([403, 429, 503])('is reported for a refusal with status %s', async (status) => {
    await client.getKey('data', undefined, options());
    await emulator.control.injectFault({ at: 'contoso', kind: 'status', status, times: 1 });
    const { reported, made } = await idsOf((of) => client.wrapKey(data, 'RSA-OAEP-256', bytes, of));
    expect(reported).toEqual(made.slice(-1));
  });

  test('is not reported without an answer', async () => {
    await client.getKey('data', undefined, options());
    await emulator.control.injectFault({ at: 'contoso', kind: 'reset', times: 1 });
    expect((await idsOf((of) => client.wrapKey(data, 'RSA-OAEP-256', bytes, of))).reported).toEqual([]);
  });
});

describe('an expired key', () => {
  let wrapped: Uint8Array;
  beforeEach(async () => {
    wrapped = await client.wrapKey(wrap, 'RSA-OAEP-256', bytes, options());
    await emulator.control.setKeyAttributes({ vault: 'contoso', key: 'wrap', exp: 1 });
    emulator.control.clearRequests();
  });
  afterEach(() => emulator.control.setKeyAttributes({ vault: 'contoso', key: 'wrap', exp: null }));

  test('is unwrapped with by the vault, since its date is not checked here', async () => {
    expect(Buffer.from(await client.unwrapKey(wrap, 'RSA-OAEP-256', wrapped, options()))).toEqual(bytes);
    expect(calls()).toEqual(['unwrapKey']);
  });

  test('is refused for wrapping by the vault, with its own code', async () => {
    const failure = await failureOf(client.wrapKey(wrap, 'RSA-OAEP-256', bytes, options()));
    expect(failure).toMatchObject({ statusCode: 403, inner: 'KeyExpired' });
    expect(calls()).toEqual(['wrapKey']);
  });
});

describe('concurrent first calls', () => {
  test('get one challenge together, and none is sent without its body', async () => {
    const wrapped = await Promise.all(
      Array.from({ length: 25 }, (_, index) =>
        client.wrapKey(index % 2 === 0 ? data : wrap, 'RSA-OAEP-256', bytes, options()),
      ),
    );
    expect(wrapped.map(({ length }) => length)).toEqual(Array.from({ length: 25 }, () => 256));
    expect(calls()).toEqual(['challenge', ...Array.from({ length: 25 }, () => 'wrapKey')]);
    expect(new Set(atVault().map(({ status }) => status))).toEqual(new Set([401, 200]));
  });

  test('continue one by one after a first one without an answer', async () => {
    await emulator.control.injectFault({ at: 'contoso', operation: 'challenge', kind: 'reset', times: 1 });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, () => client.wrapKey(data, 'RSA-OAEP-256', bytes, options())),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', ...Array.from({ length: 9 }, () => 'fulfilled')]);
    expect(atVault().filter(({ status }) => status === 400)).toEqual([]);
  });

  test('are all allowed once the vault has answered, even with a refusal', async () => {
    await emulator.control.disableKey({ vault: 'contoso', key: 'data', version: data.keyVersion });
    const outcomes = await Promise.allSettled([
      client.wrapKey(data, 'RSA-OAEP-256', bytes, options()),
      client.wrapKey(wrap, 'RSA-OAEP-256', bytes, options()),
    ]);
    await emulator.control.enableKey({ vault: 'contoso', key: 'data', version: data.keyVersion });
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect(calls()).toEqual(['challenge', 'wrapKey', 'wrapKey']);
    expect(client.isOpened).toBe(true);
  });
});

describe('a client', () => {
  test('takes less than 5 KiB, because it shares all but its challenge with those of other vaults', async () => {
    const count = 500;
    const make = () => new VaultClient(vaultUrl, credential, access, pipeline);
    const warm = make();
    const before = await heapInUse();
    const clients = Array.from({ length: count }, make);
    expect(((await heapInUse()) - before) / count / 1_024).toBeLessThan(5);
    expect([warm, ...clients]).toHaveLength(count + 1); // all of them are still in use
  });

  test('is open after its challenge is met, not before', async () => {
    expect(client.isOpened).toBe(false);
    await client.getKey('data', undefined, options());
    expect(client.isOpened).toBe(true);
  });

  test('whose first call got no answer stays closed', async () => {
    await emulator.control.injectFault({ at: 'contoso', kind: 'reset', times: 1 });
    await failureOf(client.getKey('data', undefined, options()));
    expect(client.isOpened).toBe(false);
  });

  test('does not retry by itself', async () => {
    await emulator.control.injectFault({ at: 'contoso', operation: 'getKey', kind: 'status', status: 503 });
    expect((await failureOf(client.getKey('data', undefined, options()))).statusCode).toBe(503);
    expect(calls()).toEqual(['challenge', 'getKey']);
  });

  test('aborts a call on request', async () => {
    await client.getKey('data', undefined, options());
    await emulator.control.injectFault({ at: 'contoso', kind: 'hang' });
    const aborting = new AbortController();
    const hanging = client.getKey('data', undefined, { ...options(), abortSignal: aborting.signal });
    aborting.abort();
    await expect(hanging).rejects.toMatchObject({ name: 'AbortError' });
  });
});
