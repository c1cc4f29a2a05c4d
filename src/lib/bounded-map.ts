import { LRUCache } from 'lru-cache';
import type { Clock } from './clock.ts';

/**
 * Returns a map that evicts its least recently used entries beyond `max`, for the many small caches
 * of each tenant. It is bounded by size, not by `max`: for that lru-cache allocates all slots at
 * once, 75 KB for a tenant's three empty caches instead of 1.2 KB.
 */
export function boundedMap<V extends object>(max: number, expiry?: { readonly ttlMs: number; readonly clock: Clock }) {
  return new LRUCache<string, V>({
    maxSize: max,
    sizeCalculation: () => 1,
    ...(expiry && { ttl: expiry.ttlMs, ttlResolution: 0, perf: { now: () => expiry.clock.monotonicMs() } }),
  });
}
