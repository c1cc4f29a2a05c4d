import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { ServiceError } from '../../src/errors.ts';
import { assertAllowed, type PolicedUse } from '../../src/keyring/policy/assert-allowed.ts';
import { policyOf } from '../../src/keyring/policy/key-policy.ts';

function policy(tags: Record<string, string>) {
  const parsed = policyOf(tags);
  if (parsed === undefined || 'unreadable' in parsed) throw new Error(`no policy: ${JSON.stringify(parsed)}`);
  return parsed;
}

/** Returns `ok` or the refusing tag, without its prefix. */
function judged(tags: Record<string, string>, use: PolicedUse): string {
  try {
    assertAllowed({ rules: policy(tags) }, use);
    return 'ok';
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'policy-refused') return error.reason?.slice(10) ?? '';
    throw error;
  }
}

const context = (members: object) => Buffer.from(JSON.stringify(members));

describe('the tags of a key', () => {
  test.each([
    ['none', {}],
    ["the customer's own", { owner: 'security', 'my-vaultspan-deny': 'x' }],
    ['the tag of the tenant', { 'vaultspan-tenant': 'contoso' }],
  ])('without a policy: %s', (_what, tags) => {
    expect(policyOf(tags)).toBeUndefined();
  });

  test.each([
    ['an unknown name', { 'vaultspan-denied': 'a=b' }],
    ['a known name in another case', { 'Vaultspan-Deny': 'a=b' }],
    ['a name without its hyphen', { vaultspandeny: 'a=b' }],
    ['a bound in words', { 'vaultspan-bound': '5m' }],
    ['a negative bound', { 'vaultspan-bound': '-1' }],
    ['a bound with a fraction', { 'vaultspan-bound': '1.5' }],
    ['an empty bound', { 'vaultspan-bound': '' }],
    ['leases that are allowed', { 'vaultspan-leases': 'allowed' }],
    ['data keys in another case', { 'vaultspan-data-keys': 'Refused' }],
    ['an unknown claim', { 'vaultspan-require-access': 'subject,purpose' }],
    ['an unknown operation', { 'vaultspan-operations': 'decrypt,sign' }],
    ['no operation', { 'vaultspan-operations': '' }],
    ['a pair without a value', { 'vaultspan-deny': 'purpose' }],
    ['a pair with an empty value', { 'vaultspan-deny': 'purpose=' }],
    ['a pair without a name', { 'vaultspan-deny': '=marketing' }],
    ['a list that ends with a comma', { 'vaultspan-deny': 'purpose=marketing,' }],
    ['an empty name of a context', { 'vaultspan-require-context': 'a,,b' }],
    ['a reserved name of a context', { 'vaultspan-require-context': 'vaultspan:field' }],
    ['a value of 257 characters', { 'vaultspan-require-context': 'x'.repeat(257) }],
    ['half of a surrogate pair', { 'vaultspan-require-context': '\ud800' }],
  ])('that cannot be read are reported: %s', (_what, tags) => {
    expect(policyOf({ 'vaultspan-bound': '60', ...tags })).toEqual({ unreadable: Object.keys(tags)[0] });
  });

  test('may have values of 256 characters', () => {
    const pairs = `${'x'.repeat(120)}=${'y'.repeat(135)}`;
    expect(pairs.length).toBe(256);
    expect(policy({ 'vaultspan-deny': pairs }).denied).toEqual([['x'.repeat(120), 'y'.repeat(135)]]);
  });

  test('have a hash that the customer can compute, without the tags that are no policy', () => {
    const tags = { 'vaultspan-tenant': 'contoso', 'vaultspan-leases': 'refused', 'vaultspan-bound': '60', team: 'a' };
    const lines = 'vaultspan-bound=60\nvaultspan-leases=refused\n';
    expect(policy(tags).hash).toBe(createHash('sha256').update(lines).digest('hex').slice(0, 16));
  });
});

describe('a policy', () => {
  test('of operations allows these and no others', () => {
    const tags = { 'vaultspan-operations': 'decrypt, unwrap' };
    const operations = ['encrypt', 'decrypt', 'wrap', 'unwrap', 'data-key', 'lease', 'index'] as const;
    expect(operations.map((operation) => judged(tags, { operation }))).toEqual([
      'operations',
      'ok',
      'operations',
      'ok',
      'operations',
      'operations',
      'operations',
    ]);
  });

  test('refuses data keys and leases, and nothing else', () => {
    const tags = { 'vaultspan-data-keys': 'refused', 'vaultspan-leases': 'refused' };
    expect(judged(tags, { operation: 'data-key' })).toBe('data-keys');
    expect(judged(tags, { operation: 'lease' })).toBe('leases');
    expect(judged(tags, { operation: 'encrypt' })).toBe('ok');
  });

  test.each([
    ['vaultspan-deny', 'purpose=marketing', 'deny'],
    ['vaultspan-require-access', 'reason', 'require-access'],
    ['vaultspan-bound', '4', 'bound'],
    ['vaultspan-require-context', 'purpose', 'ok'],
  ])('of %s=%s answers a lease with %s', (tag, value, expected) => {
    expect(judged({ [tag]: value }, { operation: 'lease' })).toBe(expected);
  });

  test('requires claims of every operation but a lease', () => {
    const tags = { 'vaultspan-require-access': 'subject,reason' };
    for (const operation of ['encrypt', 'decrypt', 'wrap', 'unwrap', 'data-key', 'index'] as const) {
      expect(judged(tags, { operation, access: { subject: 'jane' } })).toBe('require-access');
      expect(judged(tags, { operation, access: { subject: 'jane', reason: 'ticket' } })).toBe('ok');
    }
  });

  test('requires names of new contexts, and opens what is older', () => {
    const tags = { 'vaultspan-require-context': 'purpose, row' };
    expect(judged(tags, { operation: 'encrypt' })).toBe('require-context');
    expect(judged(tags, { operation: 'data-key', context: context({ purpose: 'a' }) })).toBe('require-context');
    expect(judged(tags, { operation: 'wrap' })).toBe('require-context');
    expect(judged(tags, { operation: 'encrypt', context: context({ purpose: 'a', row: '1' }) })).toBe('ok');
    expect(judged(tags, { operation: 'decrypt' })).toBe('ok');
  });

  test.each([
    ['the pair', { purpose: 'marketing' }],
    ['another case', { purpose: 'MARKETING' }],
    ['spaces around it', { purpose: ' marketing ' }],
    ['full-width letters', { purpose: '\uff4darketing' }],
    ['the pair beside others', { row: '1', purpose: 'marketing' }],
  ])('denies a context with %s', (_what, members) => {
    const tags = { 'vaultspan-deny': 'team=sales, purpose=marketing' };
    for (const operation of ['encrypt', 'decrypt', 'data-key'] as const) {
      expect(judged(tags, { operation, context: context(members) })).toBe('deny');
    }
  });

  test.each([
    ['no context', undefined],
    ['another value', { purpose: 'payroll' }],
    ['the value under another name', { row: 'marketing' }],
    ['a name that every object has', { constructor: 'x' }],
  ])('denies nothing with %s', (_what, members) => {
    const tags = { 'vaultspan-deny': 'purpose=marketing' };
    expect(judged(tags, { operation: 'decrypt', context: members && context(members) })).toBe('ok');
  });

  test('denies a reason, whether it is claimed or in the context', () => {
    const tags = { 'vaultspan-deny': 'reason=marketing' };
    expect(judged(tags, { operation: 'decrypt', access: { reason: 'Marketing' } })).toBe('deny');
    expect(judged(tags, { operation: 'decrypt', context: context({ reason: 'marketing' }) })).toBe('deny');
    expect(judged(tags, { operation: 'decrypt', access: { subject: 'marketing', reason: 'a' } })).toBe('ok');
  });
});
