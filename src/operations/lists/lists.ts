import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import type { ItemFrame } from '../../format/byte-list.ts';
import type { Tenant } from '../../tenants/record.ts';
import { type Batch, type DoneItems, type Outcome, SLICE_MS, type SliceDeps } from '../batch.ts';
import type { TenantGrant } from '../granted-tenant.ts';

/** Items between two checks: 128 of 4 KiB take less than a slice. */
export const CHUNK_ITEMS = 128;

/** Returns the JSON around the text of an item that a key sealed. */
export type FrameOf = (keyId: string) => ItemFrame;

/**
 * Returns the results of the first chunks, up to one that cannot be processed as a whole. All items
 * of a chunk share a key that is in memory, and pass the same checks as one item. So a refusal, a
 * wait or a wrong message leaves its chunk and the later ones to `eachItem`, which treats each item
 * for itself.
 */
export async function eachChunk<C>(
  { slices }: SliceDeps,
  chunks: readonly C[],
  grant: TenantGrant,
  run: (chunk: C, tenant: Tenant) => DoneItems | undefined,
): Promise<readonly DoneItems[]> {
  const done: DoneItems[] = [];
  let sliceEndsAt = performance.now() + SLICE_MS;
  for (const chunk of chunks) {
    if (performance.now() >= sliceEndsAt) {
      await slices.next();
      sliceEndsAt = performance.now() + SLICE_MS;
    }
    const check = grant.recheck();
    const isRefused = check !== undefined && !(await check.then(accepted, refused));
    const items = isRefused ? undefined : resultOf(() => run(chunk, grant.tenant));
    if (!items) break;
    done.push(items);
  }
  return done;
}

const accepted = () => true;
const refused = () => false;

function resultOf(run: () => DoneItems | undefined): DoneItems | undefined {
  try {
    return run();
  } catch {
    return undefined; // each item has the failure of its own
  }
}

export interface ListWork {
  readonly request: AuthenticatedRequest;
  readonly grant: TenantGrant;
  readonly frameOf: FrameOf;
}

/** The results of a list: items that are done, then the outcome of each other item. */
export interface ListResult<T> {
  readonly done: readonly DoneItems[];
  readonly rest: readonly Outcome<T>[];
}

/** Returns the number of items that are done. */
export const countOf = (done: readonly DoneItems[]): number => done.reduce((sum, { count }) => sum + count, 0);

/** Returns the items of a list that are not done yet. */
export function itemsAfter<I>(done: readonly DoneItems[], total: number, items: () => Batch<I>['items']) {
  const count = countOf(done);
  return count === total ? [] : items().slice(count);
}
