import { describe, expect, test } from '@jest/globals';
import { parseTenantList, TenantListError } from '../../src/tenants/tenant-list.ts';
import { vaultHosts } from '../../src/tenants/vault-hosts.ts';
import { record } from '../support/make-tenant.ts';

const hosts = vaultHosts({
  suffixes: ['.vault.azure.net', '.managedhsm.azure.net'],
  unsafeAllowEmulator: false,
  homeVaultUrl: 'https://vendor.vault.azure.net',
});
const AT = '2026-11-23T00:00:00.000Z';
const parse = (...tenants: readonly object[]) => parseTenantList({ tenants }, hosts, AT);
const VAULT = 'https://contoso-kv.vault.azure.net';
const key = (change: object = {}) => ({ vaultUrl: VAULT, name: 'data', use: 'data', ...change });

function problemsOf(...tenants: readonly object[]): readonly string[] {
  try {
    parse(...tenants);
  } catch (error) {
    if (error instanceof TenantListError) return error.problems;
    throw error;
  }
  return [];
}

describe('a tenant record', () => {
  test('is accepted with every member that it may have', () => {
    const full = record({
      displayName: 'Contoso',
      state: 'suspended',
      keys: {
        data: key({ keyVersion: '0'.repeat(32), algorithm: 'RSA-OAEP' }),
        wrap: key({ name: 'wrap', use: 'wrap' }),
      },
      retiredKeys: [{ vaultUrl: VAULT, name: 'old' }],
      dataKeys: { mode: 'perMessage', maxAgeSeconds: 60 },
      revocationBoundSeconds: 0,
      origin: 'optional',
      requiredContext: ['purpose'],
      checkIntervalSeconds: 600,
      canarySecret: 'canary',
      graph: { organization: true },
      metadata: { plan: 'gold' },
    });
    expect(problemsOf(full)).toEqual([]);
  });

  test('has its addresses and ids converted to one spelling', () => {
    const [tenant] = parse(
      record({
        entraTenantId: '3E7A90D5-18C4-4B6F-A2D7-94F05C61B8E3',
        keys: { data: key({ vaultUrl: 'https://Contoso-KV.vault.azure.net/' }) },
      }),
    ).values();
    expect(tenant?.entraTenantId).toBe('3e7a90d5-18c4-4b6f-a2d7-94f05c61b8e3');
    expect(tenant?.keys['data']?.vaultUrl).toBe(VAULT);
  });

  test.each([
    ['an unknown member', { colour: 'red' }, '/tenants/0/colour'],
    ['an id in capitals', { id: 'Contoso' }, '/tenants/0/id'],
    ['an empty id', { id: '' }, '/tenants/0/id'],
    ['an id of 65 characters', { id: 'a'.repeat(65) }, '/tenants/0/id'],
    ['a directory that is no GUID', { entraTenantId: 'contoso.onmicrosoft.com' }, '/tenants/0/entraTenantId'],
    ['no key', { keys: {} }, '/tenants/0/keys'],
    ['a default key that is missing', { defaultKey: 'nope' }, '/tenants/0/defaultKey'],
    ['a default key by a prototype name', { defaultKey: 'constructor' }, '/tenants/0/defaultKey'],
    ['a default key of use wrap', { keys: { data: key({ use: 'wrap' }) } }, '/tenants/0/defaultKey'],
    ['a key name that climbs', { keys: { data: key({ name: '../other' }) } }, '/tenants/0/keys/data/name'],
    [
      'a key version that climbs',
      { keys: { data: key({ keyVersion: '../other' }) } },
      '/tenants/0/keys/data/keyVersion',
    ],
    [
      'an algorithm that is not secure',
      { keys: { data: key({ algorithm: 'RSA1_5' }) } },
      '/tenants/0/keys/data/algorithm',
    ],
    ['a data key by A128KW', { keys: { data: key({ algorithm: 'A128KW' }) } }, '/tenants/0/keys/data/algorithm'],
    ['a key by the name __proto__', { keys: { data: key(), ...JSON.parse('{"__proto__":{}}') } }, '/tenants/0/keys'],
    ['metadata by the name __proto__', { metadata: JSON.parse('{"__proto__":"a"}') }, '/tenants/0/metadata'],
    ['a name that colours a terminal', { displayName: 'a\u001b[31m' }, '/tenants/0/displayName'],
    ['a name of two lines', { displayName: 'a\nb' }, '/tenants/0/displayName'],
    ['a name that turns the direction', { displayName: 'a\u202eb' }, '/tenants/0/displayName'],
    ['a name that is no text', { displayName: 'a\ud800' }, '/tenants/0/displayName'],
    ['a revocation bound of more than an hour', { revocationBoundSeconds: 3_601 }, '/tenants/0/revocationBoundSeconds'],
    ['more messages than AES-GCM bears', { dataKeys: { maxMessages: 2 ** 32 + 1 } }, '/tenants/0/dataKeys/maxMessages'],
    ['more bytes than AES-GCM bears', { dataKeys: { maxBytes: 2 ** 40 + 1 } }, '/tenants/0/dataKeys/maxBytes'],
    ['a data key older than a day', { dataKeys: { maxAgeSeconds: 86_401 } }, '/tenants/0/dataKeys/maxAgeSeconds'],
  ])('with %s is refused at its place', (_case, change, place) => {
    expect(problemsOf(record(change))[0]).toContain(`${place}:`);
  });

  test.each([
    ['http://contoso-kv.vault.azure.net'],
    ['https://contoso-kv.vault.azure.net.evil.example'],
    ['https://contoso-kv.vault.azure.net@evil.example'],
    ['https://evil.example/.vault.azure.net'],
    ['https://evil.example#.vault.azure.net'],
    ['https://evil.example?.vault.azure.net'],
    ['https://a.b.vault.azure.net'],
    ['https://contoso-kv.vault.azure.net:8443'],
    ['https://contoso-kv.vault.azure.net/keys'],
    ['https://user@contoso-kv.vault.azure.net'],
    ['https://localhost:8445'],
    ['https://169.254.169.254'],
    ['https://.vault.azure.net'],
    ['https://contoso-kv.vault.azure.cn'],
    ['file:///etc/passwd'],
  ])('with the vault %s is refused, so that no other host is ever called', (vaultUrl) => {
    expect(problemsOf(record({ keys: { data: key({ vaultUrl }) } }))).toEqual([
      expect.stringContaining('/tenants/0/keys/data/vaultUrl:'),
    ]);
  });

  test.each([
    ['https://localhost:8445', 1],
    ['https://LOCALHOST:8445/', 1],
    ['https://127.0.0.1:8445', 0],
    ['https://localhost:08445', 0],
    ['https://localhost', 0],
  ])('may have the vault %s, in one spelling, if the emulator is allowed', (vaultUrl, accepted) => {
    const emulated = vaultHosts({
      suffixes: ['.vault.azure.net'],
      unsafeAllowEmulator: true,
      homeVaultUrl: 'https://vendor.vault.azure.net',
    });
    const list = () => parseTenantList({ tenants: [record({ keys: { data: key({ vaultUrl }) } })] }, emulated, AT);
    if (accepted === 1) expect(list().size).toBe(1);
    else expect(list).toThrow('must be https://NAME followed by one of .vault.azure.net, or https://localhost:PORT');
  });

  test.each([
    ['https://vendor.vault.azure.net'],
    ['https://vendor.vault.azure.net/'],
    ['https://Vendor.Vault.Azure.NET'],
  ])('with the home vault as %s is refused, retired keys too', (vaultUrl) => {
    const keys = { data: key({ vaultUrl }) };
    const retiredKeys = [{ vaultUrl, name: 'vaultspan-origin-key' }];
    expect([...problemsOf(record({ keys })), ...problemsOf(record({ retiredKeys }))]).toEqual([
      expect.stringContaining("/tenants/0/keys/data/vaultUrl: is the vendor's home vault"),
      expect.stringContaining("/tenants/0/retiredKeys/0/vaultUrl: is the vendor's home vault"),
    ]);
  });

  test('reports all problems at once', () => {
    expect(problemsOf(record({ id: 'A', entraTenantId: 'x' }), record({ id: 'b', state: 'gone' }))).toHaveLength(3);
  });
});

describe('a list of tenants', () => {
  test('refuses a duplicate id', () => {
    const twice = [record({ id: 'a' }), record({ id: 'a', keys: { data: key() } })];
    expect(problemsOf(...twice)).toEqual([expect.stringMatching(/^\/tenants\/1\/id: a occurs twice/)]);
  });

  test.each([
    ["another tenant's key", record({ id: 'b', keys: { data: key() } })],
    [
      "another tenant's key, spelled otherwise",
      record({
        id: 'b',
        keys: { data: key({ vaultUrl: VAULT.toUpperCase().replace('HTTPS', 'https'), name: 'DATA' }) },
      }),
    ],
    ["another tenant's key as retired", record({ id: 'b', retiredKeys: [{ vaultUrl: VAULT, name: 'data' }] })],
  ])('refuses %s', (_case, other) => {
    const first = record({ id: 'a', keys: { data: key() } });
    expect(problemsOf(first, other)).toEqual([expect.stringContaining('is already registered as a/keys/data')]);
  });

  test('refuses one key for two uses, since unwrap would return data keys', () => {
    const both = record({ keys: { data: key(), wrap: key({ use: 'wrap' }) } });
    expect(problemsOf(both)).toEqual([expect.stringContaining('/tenants/0/keys/wrap: ')]);
    const retired = record({
      keys: { data: key(), wrap: key({ name: 'old', use: 'wrap' }) },
      retiredKeys: [{ vaultUrl: VAULT, name: 'old' }],
    });
    expect(problemsOf(retired)).toEqual([expect.stringContaining('/tenants/0/retiredKeys/0: ')]);
  });

  test('allows several tenants to share a directory', () => {
    expect(problemsOf(record({ id: 'a' }), record({ id: 'b' }))).toEqual([]);
  });
});
