import { ServiceError } from '../../errors.ts';
import { SLICE_MS, type SliceDeps } from '../batch.ts';

/**
 * Returns the result for each value of a call, in their order. All or nothing.
 * @throws ServiceError of the first value that fails, with a pointer to it
 */
export async function eachValue<I, T>({ slices }: SliceDeps, values: readonly I[], run: (value: I) => T): Promise<T[]> {
  const results: T[] = [];
  let sliceEndsAt = performance.now() + SLICE_MS;
  for (const [at, value] of values.entries()) {
    if (performance.now() >= sliceEndsAt) {
      await slices.next();
      sliceEndsAt = performance.now() + SLICE_MS;
    }
    try {
      results.push(run(value));
    } catch (error) {
      throw error instanceof ServiceError ? atValue(error, at) : error;
    }
  }
  return results;
}

/** Returns the failure with its pointer at the value. */
export function atValue(error: ServiceError, at: number): ServiceError {
  const detail = error.errors?.[0]?.detail ?? 'does not open';
  return error.with({ errors: [{ pointer: `/values/${at}`, detail }] });
}

/**
 * Checks the total size of a call's values.
 * @throws ServiceError `body-too-large`
 */
export function assertTogether(values: readonly { readonly length: number }[], max: number): number {
  const bytes = values.reduce((sum, { length }) => sum + length, 0);
  if (bytes <= max) return bytes;
  throw new ServiceError('body-too-large', `The values of a call may have at most ${max} bytes together`, {
    errors: [{ pointer: '/values', detail: `have ${bytes} bytes, more than ${max}` }],
  });
}
