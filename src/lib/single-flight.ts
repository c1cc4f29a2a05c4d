/**
 * Returns the result of `start`. Concurrent calls with one key share it; the next call after it
 * starts again.
 */
export function singleFlight<T>(inFlight: Map<string, Promise<T>>, key: string, start: () => Promise<T>): Promise<T> {
  return inFlight.getOrInsertComputed(key, () => start().finally(() => inFlight.delete(key)));
}
