import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createSalts, encodeRecord, hashLine } from '../../src/audit/chain/chain.ts';
import { ChainWriter } from '../../src/audit/chain/chain-writer.ts';
import { TenantSequences } from '../../src/audit/chain/tenant-sequences.ts';
import { chainLines, START } from '../support/chains.ts';

const CHAIN = '6f1c0f5e-6a52-4a53-9a86-0c5b3f1c7d10';

test('a record with every member is one line in the published order', () => {
  const line = encodeRecord(
    { type: 'event', previous: 'p', salt: 's', at: '2026-11-22T08:30:00.125Z', sequence: 7, chain: CHAIN },
    {
      count: 2,
      storedKey: { jweDigest: 'd', label: 'l', id: 'i' },
      vaultRequestId: 'v',
      vaultClientRequestId: 'vc',
      context: 'c',
      bytes: 3,
      keyId: 'k',
      tenantId: 't',
      principal: 'p',
      clientRequestId: 'cr',
      requestId: 'r',
      reason: 'why',
      code: 'undecryptable',
      outcome: 'refused',
      operation: 'decrypt\n',
    },
    4,
  );
  expect(line).toBe(
    `{"chain":"${CHAIN}","sequence":7,"at":"2026-11-22T08:30:00.125Z","salt":"s","previous":"p","type":"event",` +
      '"operation":"decrypt\\n","outcome":"refused","code":"undecryptable","reason":"why","requestId":"r",' +
      '"clientRequestId":"cr","principal":"p","tenantId":"t","keyId":"k","bytes":3,"context":"c",' +
      '"vaultRequestId":"v","vaultClientRequestId":"vc","storedKey":{"id":"i","label":"l","jweDigest":"d"},"count":2,"tenantSequence":4}',
  );
});

test('each line holds the SHA-256 of the bytes of the one before, without newline', () => {
  const writer = new ChainWriter(CHAIN);
  const open = writer.open(START, undefined);
  const next = writer.event(START, { operation: 'encrypt', outcome: 'failed', requestId: 'é\ud800' });
  const hash = createHash('sha256').update(open.slice(0, -1), 'utf8').digest('base64url');
  expect(JSON.parse(next)).toMatchObject({ sequence: 1, previous: hash });
  expect(hashLine(Buffer.from(open.slice(0, -1)))).toBe(hash);
});

test('open and close have no member of an event', () => {
  const [open = '', close = ''] = chainLines(CHAIN, 0);
  const head = ['chain', 'sequence', 'at', 'salt'];
  expect(Object.keys(JSON.parse(open))).toEqual([...head, 'type']);
  expect(Object.keys(JSON.parse(close))).toEqual([...head, 'previous', 'type']);
});

test('salts of more than one pool have 16 bytes each and differ', () => {
  const salt = createSalts();
  const salts = Array.from({ length: 3000 }, () => salt());
  expect(new Set(salts).size).toBe(3000);
  expect(salts.every((text) => Buffer.from(text, 'base64url').length === 16)).toBe(true);
});

test('lines that are not kept have no effect on the next ones', () => {
  const writer = new ChainWriter(CHAIN);
  const open = writer.open(START, undefined);
  writer.keep(1);
  const event = { operation: 'encrypt', outcome: 'succeeded', requestId: 'r', tenantId: 't' } as const;
  const first = writer.event(START, event);
  writer.event(START, event);
  writer.keep(1);
  const second = JSON.parse(writer.event(START, event));
  expect(JSON.parse(first)).toMatchObject({ sequence: 1, tenantSequence: 0, previous: hashLine(open.slice(0, -1)) });
  expect(second).toMatchObject({ sequence: 2, tenantSequence: 1, previous: hashLine(first.slice(0, -1)) });
});

describe('tenant sequences', () => {
  test('count each tenant from 0 and ignore records without a tenant', () => {
    const tenants = new TenantSequences();
    expect(['a', 'b', undefined, 'a', 'a', 'b'].map((id) => tenants.next(id))).toEqual([0, 0, undefined, 1, 2, 1]);
  });

  test('drop only tenants without a record for a whole generation', () => {
    const tenants = new TenantSequences(2);
    expect(['a', 'b', 'a', 'c', 'a', 'd', 'a', 'b'].map((id) => tenants.next(id))).toEqual([0, 0, 1, 0, 2, 0, 3, 0]);
  });

  test('property: undone calls change nothing, across generations too', () => {
    const ids = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e', undefined), { maxLength: 8 });
    const groups = fc.array(fc.record({ kept: ids, undone: ids }), { maxLength: 12 });
    fc.assert(
      fc.property(groups, fc.integer({ min: 1, max: 4 }), (steps, generation) => {
        const undoing = new TenantSequences(generation);
        const plain = new TenantSequences(generation);
        for (const { kept, undone } of steps) {
          const numbers = kept.map((id) => undoing.next(id));
          for (const id of undone) undoing.next(id);
          undoing.keep(kept.length);
          expect(numbers).toEqual(kept.map((id) => plain.next(id)));
        }
      }),
    );
  });
});
