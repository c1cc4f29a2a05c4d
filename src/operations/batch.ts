import { setImmediate as turnOfLoop } from 'node:timers/promises';
import type { AuditEvent } from '../audit/event.ts';
import type { AuthenticatedRequest } from '../callers/authenticated-request.ts';
import { ServiceError } from '../errors.ts';
import type { Soon } from '../lib/when-ready.ts';
import type { AuditDeps } from './record-success.ts';

/** What became of one item: its value, or why there is none. */
export type Outcome<T> = { readonly value: T } | { readonly failure: unknown };

/** Items of one tenant, each read off the request when its turn comes: what one holds is gone before the next. */
export interface Batch<I> {
  readonly tenantId: string;
  /** @throws ServiceError `malformed-request`, which is the item's own failure */
  readonly items: readonly (() => I)[];
}

/** What an item's work used, for the batch's audit record. */
export interface ItemUse {
  readonly keyId: string;
  readonly vaultRequestId: string;
  /** Size of the plaintext. */
  readonly bytes: number;
}

/** Items that wait for a vault at once: enough to hide its latency, little enough to leave it to others. */
const CONCURRENCY = 16;
/** Longest that a batch keeps other requests waiting. */
const TURN_MS = 2;

/** Runs every item, in order as far as none waits; none fails another. */
export async function eachItem<I, T>(
  items: Batch<I>['items'],
  run: (item: I) => Soon<T>,
): Promise<readonly Outcome<T>[]> {
  const outcomes = new Array<Outcome<T>>(items.length);
  const queue = items.entries();
  let turnEndsAt = performance.now() + TURN_MS;
  const work = async () => {
    for (const [at, read] of queue) {
      const outcome = outcomeOf(() => run(read()));
      outcomes[at] = outcome instanceof Promise ? await outcome : outcome;
      if (performance.now() < turnEndsAt) continue;
      await turnOfLoop();
      turnEndsAt = performance.now() + TURN_MS;
    }
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, items.length) }, work));
  return outcomes;
}

function outcomeOf<T>(start: () => Soon<T>): Soon<Outcome<T>> {
  try {
    const running = start();
    if (!(running instanceof Promise)) return { value: running };
    return running.then(
      (value) => ({ value }),
      (failure: unknown) => ({ failure }),
    );
  } catch (failure) {
    return { failure };
  }
}

/** One record for the batch: how many items by outcome, and each key version with the vault call that proves access to it. */
export async function recordBatch(
  { audit }: Pick<AuditDeps, 'audit'>,
  { requestId, clientRequestId, principal }: AuthenticatedRequest,
  { operation, tenantId }: Pick<AuditEvent, 'operation' | 'tenantId'>,
  outcomes: readonly Outcome<ItemUse>[],
): Promise<void> {
  const items: Record<string, number> = {};
  const keys = new Map<string, { keyId: string; vaultRequestId: string; count: number }>();
  let bytes = 0;
  for (const outcome of outcomes) {
    const code = 'value' in outcome ? 'succeeded' : codeOf(outcome.failure);
    items[code] = (items[code] ?? 0) + 1;
    if (!('value' in outcome)) continue;
    const { keyId, vaultRequestId } = outcome.value;
    keys.getOrInsertComputed(`${keyId} ${vaultRequestId}`, () => ({ keyId, vaultRequestId, count: 0 })).count += 1;
    bytes += outcome.value.bytes;
  }
  await audit.record({
    operation,
    outcome: keys.size > 0 || outcomes.length === 0 ? 'succeeded' : 'refused',
    requestId,
    clientRequestId,
    principal: principal.id,
    tenantId,
    bytes,
    items,
    keys: [...keys.values()],
  });
}

const codeOf = (failure: unknown): string => (failure instanceof ServiceError ? failure.code : 'internal');
