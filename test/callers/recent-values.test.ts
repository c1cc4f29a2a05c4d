import { describe, expect, test } from '@jest/globals';
import { RecentValues } from '../../src/callers/recent-values.ts';
import { until } from '../support/until.ts';

describe('recent values', () => {
  test('are found until all of them are forgotten, and kept again after that', async () => {
    const recent = new RecentValues<string>({ max: 2, keptMs: 5 });
    recent.keep('a', 'A');
    expect(recent.get('a')).toBe('A');
    await until(() => recent.size === 0);
    expect(recent.get('a')).toBeUndefined();
    recent.keep('b', 'B');
    expect(recent.get('b')).toBe('B');
    await until(() => recent.size === 0);
  });

  test('are no more than the bound, however many different ones come', () => {
    const recent = new RecentValues<number>({ max: 2, keptMs: 60_000 });
    for (let at = 0; at < 1_000; at += 1) recent.keep(`key ${at}`, at);
    expect(recent.size).toBe(2);
    expect([recent.get('key 0'), recent.get('key 1'), recent.get('key 999')]).toEqual([0, 1, undefined]);
  });
});
