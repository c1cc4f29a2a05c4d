/** A value, or a promise of it. */
export type Soon<T> = T | Promise<T>;

/**
 * Calls `next` at once with a value, later with that of a promise. Needless promises would cost a
 * batch of encrypts a sixth of its time.
 */
export const whenReady = <T, R>(value: Soon<T>, next: (value: T) => Soon<R>): Soon<R> =>
  value instanceof Promise ? value.then(next) : next(value);
