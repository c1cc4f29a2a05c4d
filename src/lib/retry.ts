import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

export interface RetryOptions {
  /**
   * Pauses before the retries, in milliseconds; the first failure after the last pause is final.
   */
  readonly pausesMs: Iterable<number>;
  /** Returns whether a failure may be transient; any other is final. */
  readonly isTransient?: (error: unknown) => boolean;
  /** Ends the pauses: the last failure is then final. */
  readonly signal?: AbortSignal;
}

/**
 * Returns the first successful attempt's result.
 * @throws the last failure
 */
export async function retry<T>(
  attempt: () => Promise<T>,
  { pausesMs, isTransient = () => true, signal }: RetryOptions,
): Promise<T> {
  const pauses = pausesMs[Symbol.iterator]();
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (signal?.aborted || !isTransient(error)) throw error;
      const pause = pauses.next();
      if (pause.done) throw error;
      const slept = await sleep(pause.value, true, { signal }).catch(() => false);
      if (!slept) throw error;
    }
  }
}

export interface BackOff {
  readonly firstMs: number;
  readonly longestMs: number;
  /** No further pause once this time has passed since the first one. */
  readonly patienceMs?: number;
}

/**
 * Returns pauses that double, each jittered by half, so that clients that failed together do not
 * retry together.
 */
export function* backOff({ firstMs, longestMs, patienceMs = Number.POSITIVE_INFINITY }: BackOff): Generator<number> {
  const deadline = performance.now() + patienceMs;
  for (let delayMs = firstMs; performance.now() <= deadline; delayMs = Math.min(delayMs * 2, longestMs)) {
    yield jittered(delayMs);
  }
}

/** Returns a value between half and one and a half of the delay. */
export const jittered = (delayMs: number): number => delayMs * (0.5 + Math.random());
