import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LRUCache } from 'lru-cache';
import { BoundedMap, ExpiringMap } from '../../src/lib/bounded-map.ts';
import { TestClock } from '../support/test-clock.ts';

const MAX = 8;

interface Entry {
  readonly key: string;
}

interface Step extends Entry {
  readonly kind: 'get' | 'set' | 'delete';
}

/** Applies one step to a full map; at least half of it stays, where both evict the same entries. */
function apply(
  { kind, key }: Step,
  map: Pick<BoundedMap<Entry>, 'get' | 'set' | 'size'> & { delete(key: string): unknown },
) {
  if (kind === 'get') map.get(key);
  else if (kind === 'set') map.set(key, { key });
  else if (map.size > MAX / 2 + 1) map.delete(key);
}

describe('a bounded map', () => {
  test('evicts the least recently used entry, as lru-cache does once the map is more than half full', () => {
    const key = fc.integer({ min: 0, max: 12 }).map(String);
    const step = fc.record({ key, kind: fc.constantFrom('get', 'set', 'delete') });
    const fill = Array.from({ length: MAX }, (_, at): Step => ({ kind: 'set', key: `${at}` }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const map = new BoundedMap<Entry>(MAX);
        const model = new LRUCache<string, Entry>({ max: MAX });
        for (const each of [...fill, ...steps]) for (const one of [map, model]) apply(each, one);
        expect([...map.entries()]).toEqual([...model.rentries()]);
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
