import { describe, expect, test } from '@jest/globals';
import { rolesOf } from '../../console/src/app/roles.ts';
import { faultsOfSearch, instantOf, NO_SEARCH, queryOf } from '../../console/src/text/audit-filter.ts';
import { checkpointOf } from '../../console/src/text/checkpoint.ts';
import { parseKeyId } from '../../console/src/text/key-id.ts';
import { contextOf, messageHeader } from '../../console/src/text/message-header.ts';

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('roles', () => {
  test('of a token are its strings', () => {
    expect(rolesOf(`x.${base64url({ roles: ['Tenants.Read', 7] })}.x`)).toEqual(new Set(['Tenants.Read']));
  });

  test.each([
    '',
    'opaque',
    `x.${base64url({})}.x`,
    `x.${base64url({ roles: 'Tenants.Read' })}.x`,
    'x.%.x',
    'x.bnVsbA.x',
  ])('of %p are none', (token) => {
    expect(rolesOf(token)).toEqual(new Set());
  });
});

describe('the header of a message', () => {
  test('is read from a compact JWE', () => {
    expect(messageHeader(` ${base64url({ enc: 'A256GCM' })}.a.b.c.d\n`)).toEqual({ enc: 'A256GCM' });
  });

  test.each(['', 'a.b.c', '!.a.b.c.d', `${base64url('text')}.a.b.c.d`])('is absent in %p', (text) => {
    expect(messageHeader(text)).toBeUndefined();
  });
});

describe('an encryption context', () => {
  test('has a pair for each line, and a value may have = and spaces', () => {
    expect(contextOf('purpose = a=b \n\nid=')).toEqual({ context: { purpose: ' a=b ', id: '' } });
  });

  test.each(['purpose', '=x'])('is refused with the line %p', (line) => {
    expect(contextOf(`id=1\n${line}`)).toEqual({ wrongLine: line });
  });
});

describe('a search of the audit log', () => {
  test('asks for what is filled in, without the spaces around it', () => {
    const search = { ...NO_SEARCH, operation: ' decrypt ', caller: ' ann', text: ' 0b5c ' };
    expect(faultsOfSearch(search)).toEqual({});
    expect(queryOf(search)).toEqual({
      from: undefined,
      to: undefined,
      operation: 'decrypt',
      outcome: '',
      caller: 'ann',
      text: '0b5c',
    });
  });

  test.each([
    [{ operation: 'DECRYPT' }, ['operation']],
    [{ operation: 'a b' }, ['operation']],
    [{ text: ' ab ' }, ['text']],
    [{ operation: '-', text: 'a' }, ['operation', 'text']],
    [{ text: '   ' }, []],
  ])('%j has the faults %j', (change, faults) => {
    expect(Object.keys(faultsOfSearch({ ...NO_SEARCH, ...change }))).toEqual(faults);
  });

  test('takes a local time as an instant, and an empty one as none', () => {
    expect(instantOf('2026-11-26T08:00:05')).toBe(new Date(2026, 10, 26, 8, 0, 5).toISOString());
    expect(instantOf('')).toBeUndefined();
    expect(instantOf('never')).toBeUndefined();
  });
});

test('a checkpoint says its log, size, root hash and time', () => {
  const text = 'vendor.example/contoso\n20852\nCsUYapGGPo4=\ntimestamp 2026-11-26T20:05:00.000Z\n\n— sig\n';
  expect(checkpointOf(text)).toEqual({
    origin: 'vendor.example/contoso',
    size: 20_852,
    rootHash: 'CsUYapGGPo4=',
    signedAt: '2026-11-26T20:05:00.000Z',
  });
  expect(checkpointOf('vendor.example\nmany\nhash\n')).toBeUndefined();
});

test('a key id has a vault, a name and a version', () => {
  const version = '0f1e2d3c4b5a69788796a5b4c3d2e1f0';
  expect(parseKeyId(`https://a.vault.azure.net/keys/data/${version}`)).toEqual({
    vault: 'a.vault.azure.net',
    name: 'data',
    version,
  });
  expect(parseKeyId('https://a.vault.azure.net/keys/data')?.version).toBeUndefined();
  expect(parseKeyId('https://a.vault.azure.net/secrets/data')).toBeUndefined();
});
