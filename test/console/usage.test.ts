import { describe, expect, test } from '@jest/globals';
import { csvPart } from '../../console/src/text/csv-part.ts';
import { draftOfQuota, quotaOf } from '../../console/src/text/quota-draft.ts';
import { instantsOf, periodsOf, thisMonth } from '../../console/src/text/usage-series.ts';

const row = (start: string, operations: number) => ({
  tenantId: 'contoso',
  start,
  operations,
  failures: 1,
  bytes: 2,
  vaultCalls: 3,
  leases: 0,
  leasedMessages: 0,
});

describe('a range of days', () => {
  test('begins with the month, in UTC', () => {
    expect(thisMonth(Date.UTC(2026, 10, 27, 23))).toEqual({ from: '2026-11-01', until: '2026-11-27' });
  });

  test('includes its last day', () => {
    expect(instantsOf({ from: '2026-11-01', until: '2026-11-01' })).toEqual({
      from: '2026-11-01T00:00:00.000Z',
      to: '2026-11-02T00:00:00.000Z',
    });
    expect(instantsOf({ from: '2025-11-27', until: '2026-11-27' })).toEqual(expect.objectContaining({}));
  });

  test.each([
    ['', '2026-11-01'],
    ['2026-11-01', 'soon'],
    ['2026-11-02', '2026-11-01'],
    ['2025-11-01', '2026-11-02'],
    ['2026-13-01', '2026-13-02'],
  ])('from %j until %j is refused', (from, until) => {
    expect(typeof instantsOf({ from, until })).toBe('string');
  });
});

describe('periods of usage', () => {
  const usage = [row('2026-10-31T00:00:00.000Z', 5), row('2026-11-02T00:00:00.000Z', 7)];
  const range = { from: '2026-10-31', until: '2026-11-02' };

  test('have each day, also without any', () => {
    expect(periodsOf(usage, range, 'day').map(({ name, operations }) => [name, operations])).toEqual([
      ['2026-10-31', 5],
      ['2026-11-01', 0],
      ['2026-11-02', 7],
    ]);
  });

  test('sum up months, and ignore days outside', () => {
    const more = [...usage, row('2026-11-01T00:00:00.000Z', 1), row('2026-12-01T00:00:00.000Z', 100)];
    expect(periodsOf(more, range, 'month')).toEqual([
      { name: '2026-10', operations: 5, failures: 1, bytes: 2, vaultCalls: 3, leases: 0 },
      { name: '2026-11', operations: 8, failures: 2, bytes: 4, vaultCalls: 6, leases: 0 },
    ]);
  });
});

test('pages of CSV have one header', () => {
  const [first, second] = ['a,b\r\n1,2\r\n', 'a,b\r\n3,4\r\n'];
  expect(csvPart(first, true) + csvPart(second, false)).toBe('a,b\r\n1,2\r\n3,4\r\n');
});

describe('a quota in the form', () => {
  test('is changed as a merge patch, and removed when all is empty', () => {
    const draft = draftOfQuota({ quota: { operations: 5, periodSeconds: 3_600 } });
    expect(draft).toEqual({ operations: '5', bytes: '', periodSeconds: '3600' });
    expect(quotaOf({ ...draft, operations: ' 7 ' })).toEqual({
      quota: { operations: 7, bytes: null, periodSeconds: 3_600 },
    });
    expect(quotaOf(draftOfQuota({}))).toEqual({ quota: null });
  });

  test.each([
    [{ operations: '0' }, ['operations']],
    [{ operations: '-1' }, ['operations']],
    [{ operations: '1e3' }, ['operations']],
    [{ bytes: '1000000000000000' }, ['bytes']],
    [{ periodSeconds: '59' }, ['periodSeconds']],
    [{ periodSeconds: '2678401' }, ['periodSeconds']],
    [{ periodSeconds: '' }, ['periodSeconds']],
    [{ operations: '', bytes: '' }, ['operations']],
  ])('%j is refused', (change, names) => {
    const result = quotaOf({ operations: '1', bytes: '', periodSeconds: '60', ...change });
    expect('faults' in result && Object.keys(result.faults)).toEqual(names);
  });
});
