import type { AuditEvent, AuditKeyUse } from '../audit/event.ts';
import type { AuthenticatedRequest } from '../callers/authenticated-request.ts';
import { ServiceError, type VaultCallIds } from '../errors.ts';
import type { Soon } from '../lib/when-ready.ts';
import type { Tenant } from '../tenants/record.ts';
import { type TenantGrant, underCheckedGrant, underGrant } from './granted-tenant.ts';
import type { AuditDeps } from './record-success.ts';

/** The result of one item: its value, or the failure. */
export type Outcome<T> = { readonly value: T } | { readonly failure: unknown };

/**
 * Items of one tenant. Each is read from the request when its turn comes, so that only one is in
 * memory at a time.
 */
export interface Batch<I> {
  readonly tenantId: string;
  /**
   * Functions that return the items.
   * @throws ServiceError `malformed-request`, which is the item's own failure
   */
  readonly items: readonly (() => I)[];
}

/** The data of an item's work for the batch's audit record. */
export interface ItemUse {
  readonly keyId: string;
  readonly vaultCall: VaultCallIds | undefined;
  /** Size of the plaintext. */
  readonly bytes: number;
}

/** Items that were processed together, with the JSON of their results in their order. */
export interface DoneItems {
  readonly json: Buffer;
  readonly count: number;
  /** The key, and the bytes of all plaintexts. */
  readonly use: ItemUse;
}

/**
 * Items that wait for a vault at once: enough to hide its latency, few enough to leave capacity for
 * others.
 */
const CONCURRENCY = 16;
/** Length of a batch's slice of the main thread. */
export const SLICE_MS = 2;

export interface SliceDeps {
  /** The slices of the main thread, shared by all long work of the process. */
  readonly slices: {
    /** Resolves when the next slice of this work may begin. */
    next(): Promise<void>;
  };
}

/**
 * Returns the result of each item. The items run in order unless one has to wait, and no item makes
 * another fail. A long batch checks its grant again each second; a refusal is the result of every
 * later item.
 */
export async function eachItem<I, T>(
  { slices }: SliceDeps,
  items: Batch<I>['items'],
  grant: TenantGrant,
  run: (item: I, tenant: Tenant) => Soon<T>,
): Promise<readonly Outcome<T>[]> {
  const outcomes = new Array<Outcome<T>>(items.length);
  let next = 0;
  let sliceEndsAt = performance.now() + SLICE_MS;
  let pause: Promise<void> | undefined;
  // One pause for all workers: with a slice each, they would block other requests for 16 slices.
  const nextSlice = () => {
    pause ??= slices.next().then(() => {
      pause = undefined;
      sliceEndsAt = performance.now() + SLICE_MS;
    });
    return pause;
  };
  const work = async () => {
    // A check holds for the items that follow without a wait: a slice is far shorter than a second.
    let isChecked: boolean = false;
    while (next < items.length) {
      while (performance.now() >= sliceEndsAt) {
        await nextSlice();
        isChecked = false;
      }
      const at = next;
      const read = items[at];
      if (read === undefined) return; // another worker took the last item during the pause
      next += 1;
      const runUnder: typeof underGrant = isChecked ? underCheckedGrant : underGrant;
      const outcome: Soon<Outcome<T>> = outcomeOf(() => runUnder(grant, (tenant) => run(read(), tenant)));
      isChecked = !(outcome instanceof Promise);
      outcomes[at] = outcome instanceof Promise ? await outcome : outcome;
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

/** What a document's fields used, each for itself. */
export interface DocumentUse {
  readonly uses: readonly ItemUse[];
}

/**
 * Writes one record for the batch: the items by outcome, each key version with its proof of access,
 * a vault's refusal.
 */
export async function recordBatch(
  { audit }: Pick<AuditDeps, 'audit'>,
  { requestId, clientRequestId, principal, access }: AuthenticatedRequest,
  { operation, tenantId, context, leaves }: Pick<AuditEvent, 'operation' | 'tenantId' | 'context' | 'leaves'>,
  outcomes: readonly Outcome<ItemUse | DocumentUse>[],
  done: readonly DoneItems[] = [],
): Promise<void> {
  const used = new BatchUse();
  let refusedCall: VaultCallIds | undefined;
  for (const { use, count } of done) used.add(use, count);
  for (const outcome of outcomes) {
    if (!('value' in outcome)) {
      used.count(codeOf(outcome.failure), 1);
      refusedCall ??= vaultCallOf(outcome.failure);
    } else if ('uses' in outcome.value) used.addDocument(outcome.value);
    else used.add(outcome.value, 1);
  }
  const { items, keys, bytes } = used;
  await audit.record({
    operation,
    outcome: keys.size > 0 || outcomes.length === 0 ? 'succeeded' : 'refused',
    requestId,
    clientRequestId,
    principal: principal.id,
    tenantId,
    bytes,
    ...(context !== undefined && { context }),
    vaultRequestId: refusedCall?.vaultRequestId,
    vaultClientRequestId: refusedCall?.vaultClientRequestId,
    policy: refusedCall?.policy,
    items,
    keys: [...keys.values()],
    access,
    ...(leaves !== undefined && { leaves }),
  });
}

/** The counts of a batch: items by outcome, and uses of each key version with its proof of access. */
class BatchUse {
  readonly items: Record<string, number> = {};
  readonly keys = new Map<string, Mutable<AuditKeyUse>>();
  bytes = 0;
  #last: ItemUse | undefined;
  #lastUse = { count: 0 };

  /** Adds so many items that share a use. */
  add(use: ItemUse, items: number): void {
    this.count('succeeded', items);
    this.#addUse(use, items);
  }

  addDocument({ uses }: DocumentUse): void {
    this.count('succeeded', 1);
    for (const use of uses) this.#addUse(use, 1);
  }

  count(code: string, items: number): void {
    this.items[code] = (this.items[code] ?? 0) + items;
  }

  #addUse(use: ItemUse, times: number): void {
    const { keyId, vaultCall } = use;
    // Most items use the key and the proof of the one before: no text is made to look them up.
    if (this.#last?.keyId !== keyId || this.#last.vaultCall !== vaultCall) {
      this.#last = use;
      this.#lastUse = this.keys.getOrInsertComputed(
        `${keyId} ${vaultCall?.vaultClientRequestId} ${vaultCall?.policy}`,
        () => keyUse(keyId, vaultCall),
      );
    }
    this.#lastUse.count += times;
    this.bytes += use.bytes;
  }
}

type Mutable<T> = { -readonly [Member in keyof T]: T[Member] };

const keyUse = (keyId: string, vaultCall: VaultCallIds | undefined): Mutable<AuditKeyUse> => ({
  keyId,
  vaultRequestId: vaultCall?.vaultRequestId ?? '',
  ...(vaultCall?.vaultClientRequestId !== undefined && { vaultClientRequestId: vaultCall.vaultClientRequestId }),
  ...(vaultCall?.policy !== undefined && { policy: vaultCall.policy }),
  count: 0,
});

const vaultCallOf = (failure: unknown): VaultCallIds | undefined =>
  failure instanceof ServiceError ? failure.vaultCall : undefined;

const codeOf = (failure: unknown): string => (failure instanceof ServiceError ? failure.code : 'internal');
