import type { KeyObject } from 'node:crypto';
import { ServiceError } from '../../errors.ts';
import { type CompactMessage, deriveContentKey, deriveLeafKey } from '../../format/compact.ts';
import type { DataKey } from '../../format/data-key.ts';
import type { RegisteredKey } from '../../tenants/record.ts';
import { type LeasedLeaf, notLeased, type OpeningLeaf, type SealingLeaf } from '../leased-leaves.ts';
import { type BranchSource, notReady } from './branch-deps.ts';
import type { BranchKey } from './branch-key.ts';
import { Leaf, leaseLeafId } from './leaf.ts';
import type { OpenedBranch } from './opened-branches.ts';
import type { SealingBranches } from './sealing-branches.ts';

/** A lease that ends sooner would be useless. */
const SHORTEST_MS = 5_000;

/**
 * Returns a new leaf of the branch that seals now. It ends with the proof of access, with its age
 * bound, and when its branch may seal no more: a branch that is destroyed later has no message of
 * its own that was sealed after that.
 * @throws ServiceError as LeasedLeaves
 */
export async function leaseForSealing(
  branches: BranchSource,
  sealing: SealingBranches,
  key: RegisteredKey,
): Promise<SealingLeaf> {
  assertLeasable(branches);
  if (key.form !== 'compact') throw notCompact();
  const { bounds } = branches.dataKeys;
  if (bounds.mode === 'perMessage') throw perMessage();
  const { deps } = branches;
  await renewProof(branches, (await sealing.lease((branch) => branch)).dataKey);
  return sealing.lease((branch, sealsUntil) => {
    const now = deps.clock.monotonicMs();
    if (sealsUntil - now < SHORTEST_MS) throw notReady();
    const { kid } = leaseLeafId(branch, deps.draw(Leaf.saltBytes));
    const leaf = leased(branches, branch, kid, leafKeyOf(branches, branch, kid));
    const endsAt = Math.min(leaf.endsAt, sealsUntil, now + bounds.maxAgeMs);
    return { ...leaf, endsAt, maxMessages: bounds.maxMessages, maxBytes: bounds.maxBytes };
  });
}

/**
 * Returns the leaf that sealed a message. The message itself is not opened here.
 * @throws ServiceError as LeasedLeaves
 */
export async function leaseForOpening(
  branches: BranchSource,
  { leaf: { kid, branchId, isLease } }: CompactMessage,
  context: Buffer | undefined,
): Promise<OpeningLeaf> {
  assertLeasable(branches);
  if (!isLease) throw notLeased();
  const { branch } = await branches.open(branchId);
  // A branch without our origin was planted or imported: no lease was ever given for its leaves.
  if (!branch.isOurs) throw notLeased();
  await renewProof(branches, branch.dataKey);
  const opened = await usable(branches, branchId);
  const key = leafKeyOf(branches, opened.branch, kid);
  return {
    ...leased(branches, opened.branch, kid, key),
    contentKey: branches.deps.gcm.keyOfOneUse(deriveContentKey(key, context)),
  };
}

/** Returns the branch, which may have been evicted or changed while its proof was renewed. */
async function usable(branches: BranchSource, branchId: string): Promise<OpenedBranch> {
  const held = branches.held(branchId);
  if (held && branches.isUsable(held, branches.deps.clock.monotonicMs())) return held;
  return branches.open(branchId);
}

const leafKeyOf = ({ tenant }: BranchSource, branch: BranchKey, kid: string): KeyObject =>
  deriveLeafKey(branch.key, 'message', tenant.id, kid);

function leased({ dataKeys }: BranchSource, branch: BranchKey, kid: string, key: KeyObject): LeasedLeaf {
  const { vaultCall, endsAt } = dataKeys.proofs.accessTo(branch.row.kid);
  return { leafKey: key.export(), kid, keyId: branch.row.kid, vaultCall, endsAt };
}

/**
 * Renews the proof of access if less than half of its bound is left. While the vault does not
 * answer, the rest of the proof still serves; a refusal does not let it.
 * @throws ServiceError the refusal, or the outage if the proof has ended
 */
async function renewProof({ deps, dataKeys: { proofs } }: BranchSource, dataKey: DataKey): Promise<void> {
  const access = proofs.accessTo(dataKey.kid);
  if (access.hasHalfLeft(deps.clock.monotonicMs())) return;
  try {
    await proofs.prove(dataKey);
  } catch (error) {
    const isOutage = error instanceof ServiceError && error.scope === undefined;
    if (!isOutage || access.endsAt - deps.clock.monotonicMs() < SHORTEST_MS) throw error;
  }
}

/**
 * Checks that the tenant's proofs last.
 * @throws ServiceError `key-use`
 */
function assertLeasable({ deps }: BranchSource): void {
  if (deps.revocationBoundMs > 0) return;
  throw refused('no-bound', 'A tenant with a revocation bound of 0 has no leases: each use asks its vault');
}

const notCompact = (): ServiceError => refused('key-not-compact', 'Only keys with form: compact can be leased', '/key');

const perMessage = (): ServiceError =>
  refused('per-message', 'A tenant with a data key for each message (mode: perMessage) has no leases');

const refused = (reason: string, detail: string, pointer?: string): ServiceError =>
  new ServiceError('key-use', detail, {
    reason,
    fix: { owner: 'vendor', action: 'Encrypt and decrypt with the service instead' },
    ...(pointer !== undefined && { errors: [{ pointer, detail: 'is not a key that can be leased' }] }),
  });
