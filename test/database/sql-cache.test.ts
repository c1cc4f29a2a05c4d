import { describe, expect, test } from '@jest/globals';
import { RegistryCache } from '../../src/database/tables/registry-cache.ts';
import { TestClock } from '../support/test-clock.ts';

const STALE_MS = 300_000;

function open(maxEntries = 100) {
  const clock = new TestClock();
  const stored = new Map([['a', 'first']]);
  const reads: string[] = [];
  let gate: Promise<unknown> = Promise.resolve();
  const cache = new RegistryCache<string>({
    load: async (id) => {
      reads.push(id);
      const value = stored.get(id);
      await gate;
      return value;
    },
    clock,
    maxEntries,
    staleAfterMs: STALE_MS,
  });
  return {
    clock,
    stored,
    reads,
    cache,
    /** Holds reads, with their results, until the returned function is called. */
    hold: () => {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      gate = promise;
      return () => {
        gate = Promise.resolve();
        resolve(undefined);
      };
    },
  };
}

describe('the cache of tenants', () => {
  test('shares one read among concurrent callers, and none afterwards', async () => {
    const { cache, reads } = open();
    expect(await Promise.all([cache.get('a'), cache.get('a'), cache.get('a')])).toEqual(['first', 'first', 'first']);
    expect(await cache.get('a')).toBe('first');
    expect(reads).toEqual(['a']);
  });

  test('does not keep a value that was read before a change reported meanwhile', async () => {
    const { cache, stored, reads, hold } = open();
    const release = hold();
    const early = cache.get('a');
    stored.set('a', 'second');
    cache.drop('a');
    const late = cache.get('a');
    release();
    expect(await Promise.all([early, late])).toEqual(['first', 'second']);
    expect(await cache.get('a')).toBe('second');
    expect(reads).toEqual(['a', 'a']);
  });

  test('caches an absent id for seconds, and drops it when it is reported', async () => {
    const { cache, clock, stored, reads } = open();
    expect(await cache.get('b')).toBeUndefined();
    expect(await cache.get('b')).toBeUndefined();
    expect(reads).toEqual(['b']);
    stored.set('b', 'new');
    cache.drop('b');
    expect(await cache.get('b')).toBe('new');
    expect(await cache.get('c')).toBeUndefined();
    stored.set('c', 'new');
    clock.advance(6);
    expect(await cache.get('c')).toBe('new');
  });

  test('uses an entry while it is confirmed, and then reads it again', async () => {
    const { cache, clock, reads } = open();
    await cache.get('a');
    clock.advance(300);
    cache.confirm(clock.monotonicMs());
    clock.advance(300);
    await cache.get('a');
    expect(reads).toEqual(['a']);
    clock.advance(1);
    await cache.get('a');
    expect(reads).toEqual(['a', 'a']);
  });

  test('keeps no more entries than its limit, and none of a failed read', async () => {
    const { cache, stored, reads } = open(2);
    for (const id of ['x', 'y', 'z']) stored.set(id, id);
    for (const id of ['x', 'y', 'z', 'z', 'y', 'x']) await cache.get(id);
    expect(reads).toEqual(['x', 'y', 'z', 'x']);
    const failing = new RegistryCache<string>({
      load: () => Promise.reject(new Error('away')),
      clock: new TestClock(),
      maxEntries: 2,
      staleAfterMs: STALE_MS,
    });
    await expect(failing.get('a')).rejects.toThrow('away');
    await expect(failing.get('a')).rejects.toThrow('away');
  });
});
