import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { type CompactMessage, isCompact, openCompact, parseCompact } from '../../format/compact.ts';
import { canonicalContext, fieldContexts } from '../../format/encryption-context.ts';
import { notLeased, type OpeningLeaf } from '../../keyring/leased-leaves.ts';
import { assertAllowed } from '../../keyring/policy/assert-allowed.ts';
import type { Tenant } from '../../tenants/record.ts';
import { type Batch, eachItem, type ItemUse, type Outcome, recordBatch } from '../batch.ts';
import { type LeaseDeps, type LeaseEnd, leaseEnd, leaseMsOf, openLeaseGrant, tooMany } from './lease-deps.ts';

/** Leaves that have not ended. */
const LIMITS = { perCaller: 10_000, perTenant: 40_000 };

/** A message that proves that the caller may have its leaf: whole, and with its context. */
export interface LeasedMessage {
  readonly ciphertext: string;
  /** As `JSON.parse` made it. */
  readonly encryptionContext?: unknown;
  /** The name of the field, where the message is a document's. */
  readonly field?: string | undefined;
}

/** The key of a message's leaf. */
export interface OpenedLease extends LeaseEnd {
  readonly kid: string;
  /** 32 bytes; the user overwrites them after use. */
  readonly key: Buffer;
  readonly keyId: string;
}

interface Opened extends ItemUse {
  readonly kid: string;
  readonly leafKey: Buffer;
  readonly endsAt: number;
}

/**
 * Returns the keys of leaves that earlier leases had, for a client that decrypts by itself. Each is
 * given out only for a message of it that opens: a `kid` alone would let a caller choose leaves.
 * @throws ServiceError for a failure of the whole call
 */
export async function openLeases(
  deps: LeaseDeps,
  request: AuthenticatedRequest,
  { tenantId, items }: Batch<LeasedMessage>,
): Promise<readonly Outcome<OpenedLease>[]> {
  const grant = await openLeaseGrant(deps, request, tenantId, ['Data.Decrypt', 'Data.Encrypt']);
  const outcomes = await eachItem(deps, items, grant, (item, tenant) => openLeaf(deps, tenant, item));
  const opened = outcomes.flatMap((outcome) => ('value' in outcome ? [outcome.value] : []));
  try {
    await account(deps, request, tenantId, opened);
    const leaves = [...new Set(opened.map(({ kid }) => kid))];
    await recordBatch(deps, request, { operation: 'lease-open', tenantId, leaves }, outcomes);
  } catch (error) {
    for (const { leafKey } of opened) leafKey.fill(0);
    throw error;
  }
  deps.leaseCounts.leavesOpened += opened.length;
  for (const { keyId } of opened) deps.countKeyUse(tenantId, keyId, 'opened', 0);
  return outcomes.map((outcome) => ('value' in outcome ? { value: answerOf(deps, outcome.value) } : outcome));
}

async function openLeaf(deps: LeaseDeps, tenant: Tenant, item: LeasedMessage): Promise<Opened> {
  const latest = deps.clock.monotonicMs() + leaseMsOf(tenant);
  const { field, encryptionContext } = item;
  const context = field === undefined ? canonicalContext(encryptionContext) : fieldContexts(encryptionContext)(field);
  if (!isCompact(item.ciphertext)) throw notLeased();
  const message = parseCompact(item.ciphertext);
  const leaf = await deps.dataKeys.leaseForOpening(tenant, message, context);
  const bytes = provenBytes(leaf, message);
  const { kid, keyId, vaultCall, leafKey } = leaf;
  return { kid, keyId, vaultCall, leafKey, bytes, endsAt: Math.min(leaf.endsAt, latest) };
}

/**
 * Returns the size of the plaintext, which is discarded.
 * @throws ServiceError `undecryptable`, `policy-refused`
 */
function provenBytes({ contentKey, leafKey, vaultCall }: OpeningLeaf, message: CompactMessage): number {
  try {
    assertAllowed(vaultCall, { operation: 'lease' });
    const plaintext = openCompact(contentKey, message);
    plaintext.fill(0);
    return plaintext.length;
  } catch (error) {
    leafKey.fill(0);
    throw error;
  } finally {
    contentKey.release();
  }
}

/** Stores who received which leaves: no account, no key. */
async function account(
  deps: LeaseDeps,
  { principal }: AuthenticatedRequest,
  tenantId: string,
  opened: readonly Opened[],
): Promise<void> {
  if (opened.length === 0) return;
  const now = deps.clock.monotonicMs();
  const leaves = opened.map(({ kid, keyId, endsAt }) => ({ kid, keyId, lastsMs: endsAt - now }));
  const limit = await deps.leases.addOpenings({ tenantId, principal: principal.id, leaves }, LIMITS);
  if (limit) throw tooMany('opened leaves', limit);
}

const answerOf = (deps: LeaseDeps, { kid, leafKey, keyId, endsAt }: Opened): OpenedLease => ({
  kid,
  key: leafKey,
  keyId,
  ...leaseEnd(deps, endsAt),
});
