import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LRUCache } from 'lru-cache';
import { BoundedMap, ExpiringMap } from '../../src/lib/bounded-map.ts';
import { TestClock } from '../support/test-clock.ts';

const MAX = 8;

describe('a bounded map', () => {
  test('evicts the least recently used entry, as lru-cache does once the map is more than half full', () => {
    const key = fc.integer({ min: 0, max: 12 }).map(String);
    const step = fc.record({ key, kind: fc.constantFrom('get', 'set', 'delete') });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const map = new BoundedMap<{ key: string }>(MAX);
        const model = new LRUCache<string, { key: string }>({ max: MAX });
        for (let at = 0; at < MAX; at += 1) for (const each of [map, model]) each.set(`${at}`, { key: `${at}` });
        for (const { key: name, kind } of steps) {
          if (kind === 'set') for (const each of [map, model]) each.set(name, { key: name });
          else if (kind === 'get') expect(map.get(name)).toEqual(model.get(name));
          else if (map.size > MAX / 2 + 1) for (const each of [map, model]) each.delete(name);
          expect([...map.keys()]).toEqual([...model.rkeys()]);
        }
      }),
    );
  });

  test('never has more entries than its maximum, and names the one that is evicted next', () => {
    const map = new BoundedMap<object>(3);
    for (const key of ['a', 'b', 'c', 'd']) map.set(key, {});
    map.get('b');
    expect([...map.keys()]).toEqual(['c', 'd', 'b']);
    expect(map.oldestKey()).toBe('c');
    map.clear();
    expect(map.oldestKey()).toBeUndefined();
  });
});

describe('an expiring map', () => {
  test('has an entry until its time is over, counted from the last set', () => {
    const clock = new TestClock();
    const map = new ExpiringMap<object>(3, { ttlMs: 1_000, clock });
    const value = {};
    map.set('a', value);
    clock.advance(1);
    expect(map.get('a')).toBe(value);
    clock.advance(0.001);
    expect(map.has('a')).toBe(false);
    map.set('a', value);
    clock.advance(0.999);
    map.set('a', value);
    clock.advance(0.999);
    expect(map.has('a')).toBe(true);
    map.delete('a');
    expect(map.has('a')).toBe(false);
  });
});
