import { describe, expect, test } from '@jest/globals';
import { keyLine, parseKeyLine } from '../../src/keyring/key-line.ts';

const KEY = {
  tenantId: 'contoso',
  kind: 'branch',
  id: 'ICEiIyQlJic',
  label: '2026-11-26T00:00:00Z',
  vaultKey: 'https://kv.vault.azure.net/keys/data',
  kid: 'https://kv.vault.azure.net/keys/data/0f1e2d3c4b5a69788796a5b4c3d2e1f0',
} as const;

describe('the line of a key', () => {
  test('is read as it was written, and a destroyed key stays destroyed', () => {
    expect(parseKeyLine(keyLine({ ...KEY, jwe: 'a.b.c.d.e' }))).toEqual({ ...KEY, jwe: 'a.b.c.d.e' });
    expect(parseKeyLine(keyLine(KEY))).toEqual(KEY);
    expect(JSON.parse(keyLine(KEY))).toMatchObject({ destroyed: true });
  });

  test.each([
    ['not JSON', 'jwe'],
    ['without a JWE and not destroyed', JSON.stringify(KEY)],
    ['destroyed and with a JWE', JSON.stringify({ ...KEY, jwe: 'a', destroyed: true })],
    ['with a further member', JSON.stringify({ ...KEY, jwe: 'a', more: 1 })],
    ['with another id', JSON.stringify({ ...KEY, id: '../../../etc', jwe: 'a' })],
    ['of another kind', JSON.stringify({ ...KEY, kind: 'leaf', jwe: 'a' })],
    ['that is longer than any key', JSON.stringify({ ...KEY, jwe: 'a'.repeat(9_000) })],
  ])('is refused if it is %s', (_what, line) => {
    expect(parseKeyLine(line)).toBeUndefined();
  });
});
