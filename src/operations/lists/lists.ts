import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { ServiceError } from '../../errors.ts';
import { type ByteList, chunksOf, type ItemFrame } from '../../format/byte-list.ts';
import type { Soon } from '../../lib/when-ready.ts';
import type { Tenant } from '../../tenants/record.ts';
import { type Batch, type DoneItems, type Outcome, SLICE_MS, type SliceDeps } from '../batch.ts';
import type { TenantGrant } from '../granted-tenant.ts';

/** Items between two checks: 128 of 4 KiB take less than a slice. */
const CHUNK_ITEMS = 128;

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
  { grant, onFailure }: Pick<ListWork, 'grant' | 'onFailure'>,
  chunks: readonly C[],
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
    const items = isRefused ? undefined : resultOf(() => run(chunk, grant.tenant), onFailure);
    if (!items) break;
    done.push(items);
  }
  return done;
}

const accepted = () => true;
const refused = () => false;

function resultOf(run: () => DoneItems | undefined, onFailure: (failure: unknown) => void): DoneItems | undefined {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof ServiceError)) onFailure(error);
    return undefined; // each item has the failure of its own
  }
}

/** Returns the value if there is no wait. The later use of each item waits for the same call. */
export function atOnce<T>(value: Soon<T>): T | undefined {
  if (!(value instanceof Promise)) return value;
  value.catch(() => undefined); // the items get the failure
  return undefined;
}

export interface ListWork {
  readonly request: AuthenticatedRequest;
  readonly grant: TenantGrant;
  readonly frameOf: FrameOf;
  /** Gets an error that no item expects. The items are processed each for itself all the same. */
  readonly onFailure: (failure: unknown) => void;
}

/** A batch whose items are read as lists. */
export interface ListBatch<I, R> extends Pick<Batch<I>, 'tenantId'>, Pick<ListWork, 'frameOf' | 'onFailure'> {
  readonly runs: readonly R[];
  /** Returns the same items for themselves. */
  readonly items: () => Batch<I>['items'];
}

/** The results of a list: items that are done, then the outcome of each other item. */
export interface ListResult<T> {
  readonly done: readonly DoneItems[];
  readonly rest: readonly Outcome<T>[];
}

/** Returns the number of items that are done. */
export const countOf = (done: readonly DoneItems[]): number => done.reduce((sum, { count }) => sum + count, 0);

/** Returns the items of lists that are not done yet. */
export function itemsAfter<I>(
  done: readonly DoneItems[],
  { runs, items }: Pick<ListBatch<I, { readonly list: ByteList }>, 'runs' | 'items'>,
): Batch<I>['items'] {
  const count = countOf(done);
  return count === itemsIn(runs) ? [] : items().slice(count);
}

/** Returns the number of items in runs. */
export const itemsIn = (runs: readonly { readonly list: ByteList }[]): number =>
  runs.reduce((sum, { list }) => sum + list.ends.length, 0);

/** Returns runs as several of at most so many items. */
export const chunksIn = <R extends { readonly list: ByteList }>(runs: readonly R[]): readonly R[] =>
  runs.flatMap((run) => chunksOf(run.list, CHUNK_ITEMS).map((list) => ({ ...run, list })));
