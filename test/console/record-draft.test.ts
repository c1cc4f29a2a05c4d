import { describe, expect, test } from '@jest/globals';
import type { Tenant } from '../../console/src/api/types.ts';
import { differences, draftOf, editable, membersOf, mergePatch } from '../../console/src/text/record-draft.ts';

const tenant: Tenant = {
  id: 'contoso',
  displayName: 'Contoso',
  entraTenantId: '3e7a90d5-18c4-4b6f-a2d7-94f05c61b8e3',
  state: 'active',
  keys: { data: { vaultUrl: 'https://contoso-kv.vault.azure.net', name: 'data', use: 'data' } },
  defaultKey: 'data',
  requiredContext: ['purpose', 'id'],
  metadata: { plan: 'gold', seats: '5' },
  revision: '3',
  createdAt: '2026-11-26T08:00:00.000Z',
  updatedAt: '2026-11-26T08:00:00.000Z',
  lastCheck: { state: 'passed', checkedAt: '2026-11-26T08:00:00.000Z' },
  keyUsage: [],
};

describe('the draft of a record', () => {
  test('stands for the record that it was made from', () => {
    expect(membersOf(draftOf(tenant))).toEqual({ members: editable(tenant) });
    expect(Object.keys(editable(tenant)).sort()).toEqual(
      ['defaultKey', 'displayName', 'entraTenantId', 'keys', 'metadata', 'requiredContext'].sort(),
    );
  });

  test('leaves emptied fields out, and reads names between commas', () => {
    const draft = { ...draftOf(tenant), displayName: ' ', revocationBoundSeconds: ' 60 ', requiredContext: 'a, ,b,' };
    expect(membersOf(draft)).toMatchObject({ members: { revocationBoundSeconds: 60, requiredContext: ['a', 'b'] } });
    expect(membersOf(draft)).not.toHaveProperty('members.displayName');
  });

  test.each([
    ['{', /Is no JSON/],
    ['[]', /Must be a JSON object/],
    ['null', /Must be a JSON object/],
  ])('with %p in place of the JSON names the fault', (rest, fault) => {
    expect(membersOf({ ...draftOf(tenant), rest })).toEqual({ faults: { rest: expect.stringMatching(fault) } });
  });

  test.each(['soon', '1.5', '-1', '12345678'])('with %p for seconds names the fault', (checkIntervalSeconds) => {
    expect(membersOf({ ...draftOf(tenant), checkIntervalSeconds })).toEqual({
      faults: { checkIntervalSeconds: 'Must be a whole number of seconds' },
    });
  });
});

describe('the merge patch', () => {
  const from = { a: 1, b: { c: 1, d: [1, 2] }, e: 'x' };

  test('of equal objects is empty, whatever the order of members', () => {
    expect(mergePatch(from, { e: 'x', b: { d: [1, 2], c: 1 }, a: 1 })).toEqual({});
  });

  test('has null for a removed member, and only the changed members of an object', () => {
    expect(mergePatch(from, { b: { c: 2, d: [1, 2] }, e: 'x' })).toEqual({ a: null, b: { c: 2 } });
  });

  test('replaces an array as a whole', () => {
    expect(mergePatch(from, { ...from, b: { c: 1, d: [1] } })).toEqual({ b: { d: [1] } });
  });
});

describe('what another admin changed', () => {
  const base = { displayName: 'Contoso', origin: 'required', metadata: { plan: 'gold' } };

  test('is shown alone where only they changed it', () => {
    expect(differences(base, { ...base, origin: 'optional' }, { ...base, displayName: 'C' })).toEqual([
      { member: 'origin', before: 'required', theirs: 'optional' },
    ]);
  });

  test('is shown beside ours where both changed it', () => {
    expect(differences(base, { ...base, displayName: 'T' }, { ...base, displayName: 'O' })).toEqual([
      { member: 'displayName', before: 'Contoso', theirs: 'T', ours: 'O' },
    ]);
  });
});
