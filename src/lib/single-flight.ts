/** Callers that come while a start under this key is under way share its outcome; the next one after it starts anew. */
export function singleFlight<T>(inFlight: Map<string, Promise<T>>, key: string, start: () => Promise<T>): Promise<T> {
  return inFlight.getOrInsertComputed(key, () => start().finally(() => inFlight.delete(key)));
}
