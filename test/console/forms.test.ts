import { describe, expect, test } from '@jest/globals';
import { tenantPath } from '../../console/src/api/paths.ts';
import { readLines } from '../../console/src/api/read-lines.ts';
import { entriesPath, entryIn, numberIn } from '../../console/src/text/log-place.ts';
import { faultsOf, recordOf } from '../../console/src/text/new-tenant.ts';
import { parseTilePath } from '../../src/audit/receipts/tile-path.ts';

describe('an entry of the log', () => {
  test.each([
    [0, 1, '/log/entries/000.p/1'],
    [255, 256, '/log/entries/000'],
    [256, 300, '/log/entries/001.p/44'],
    [300_000, 300_001, '/log/entries/x001/171.p/225'],
    [256_000_000, 999_000_000, '/log/entries/x001/x000/000'],
  ])('%i of %i is in %s', (sequence, size, path) => {
    expect(entriesPath(sequence, size)).toBe(path);
    const place = parseTilePath(path.slice('/log/entries/'.length));
    expect(place?.index).toBe(Math.floor(sequence / 256));
    expect((place?.index ?? 0) * 256 + (place?.width ?? 0)).toBeLessThanOrEqual(size);
  });

  test('is the line at its place in the tile', () => {
    expect(entryIn('a\nb\nc\n', 257)).toBe('b');
  });

  test.each(['', '-1', '1.5', 'x', '11', '1e1', '9'.repeat(16)])('%j is none of 0 to 10', (text) => {
    expect(numberIn(text, 0, 10)).toBeUndefined();
  });

  test('has its number in decimal', () => {
    expect([numberIn(' 10 ', 0, 10), numberIn('0', 0, 10)]).toEqual([10, 0]);
  });
});

test.each([
  ['contoso', '/tenants/contoso/drills'],
  ['a/../b', '/tenants/a%2F..%2Fb/drills'],
  ['..', '/tenants/-/drills'],
  ['.', '/tenants/-/drills'],
  ['%2e%2e', '/tenants/%252e%252e/drills'],
  ['a?b#c\\', '/tenants/a%3Fb%23c%5C/drills'],
  ['//evil.example', '/tenants/%2F%2Fevil.example/drills'],
])('the path of the tenant %j stays below /tenants', (id, path) => {
  expect(new URL(tenantPath(id, '/drills'), 'https://keys.vendor.example').pathname).toBe(path);
});

describe('a new tenant', () => {
  const form = {
    id: 'contoso',
    displayName: ' Contoso ',
    entraTenantId: '3E7A90D5-18C4-4B6F-A2D7-94F05C61B8E3 ',
    vaultUrl: 'https://contoso-kv.vault.azure.net',
    keyName: 'data',
  };

  test('has one key for data', () => {
    expect(faultsOf(form)).toEqual({});
    expect(recordOf(form)).toEqual({
      displayName: 'Contoso',
      entraTenantId: '3e7a90d5-18c4-4b6f-a2d7-94f05c61b8e3',
      keys: { data: { vaultUrl: 'https://contoso-kv.vault.azure.net', name: 'data', use: 'data' } },
      defaultKey: 'data',
    });
    expect(recordOf({ ...form, displayName: ' ' })).not.toHaveProperty('displayName');
  });

  test.each([
    ['id', ''],
    ['id', '../x'],
    ['id', 'Contoso'],
    ['id', 'a'.repeat(65)],
    ['id', 'a/b'],
    ['entraTenantId', 'contoso.com'],
    ['vaultUrl', 'http://x.vault.azure.net'],
    ['vaultUrl', 'https://x/keys/data'],
    ['keyName', 'a/b'],
  ])('is refused with %s %j', (name, value) => {
    expect(Object.keys(faultsOf({ ...form, [name]: value }))).toEqual([name]);
  });
});

describe('lines of an answer', () => {
  const responseOf = (...parts: string[]) =>
    new Response(
      new ReadableStream({
        start(controller) {
          for (const part of parts) controller.enqueue(new TextEncoder().encode(part));
          controller.close();
        },
      }),
    );

  test('come whole, however they were cut', async () => {
    const seen: unknown[] = [];
    await readLines(responseOf('{"a', '":1}\n{"b":2}\n{"c"', ':3}\n'), (line) => seen.push(line));
    expect(seen).toEqual([{ a: 1 }, { b: 2 }, { c: 3 }]);
  });

  test('that break off are a failure', async () => {
    await expect(readLines(responseOf('{"a":1}\n{"b"'), () => undefined)).rejects.toThrow('broke off');
  });
});
