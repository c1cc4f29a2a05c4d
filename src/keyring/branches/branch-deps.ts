import { ServiceError } from '../../errors.ts';
import type { Gcm } from '../../format/aes-gcm.ts';
import type { Jwe } from '../../format/jwe.ts';
import type { KekRef } from '../../format/kek-ref.ts';
import type { Clock } from '../../lib/clock.ts';
import type { DrawRandom } from '../../lib/random.ts';
import type { Soon } from '../../lib/when-ready.ts';
import type { DataKeyBounds } from '../../tenants/bounds.ts';
import type { RegisteredKey, Tenant } from '../../tenants/record.ts';
import type { OpeningUse, OriginKeys, SealingUse } from '../data-keys.ts';
import type { LinedKey } from '../key-line.ts';
import type { BranchEvent, KeyringStore, NewStoredKey, StoredKey } from '../keyring-store.ts';
import type { Proofs } from '../proofs.ts';
import type { SealingSlot } from '../sealing-slot.ts';
import type { BranchCounts } from './branch-counts.ts';
import type { OpenedBranch } from './opened-branches.ts';

/** Settings of branch keys, durations in milliseconds. */
interface BranchSettings {
  readonly epochMs: number;
  /** Minimum age of a branch before it seals. */
  readonly settleMs: number;
  /** How long a row may be used for sealing after it was read. */
  readonly recheckMs: number;
}

/** Copies of branch keys outside of the database. */
export interface BranchCopies {
  /** Whether a branch must be copied before it seals. */
  readonly isRequired: boolean;
  /**
   * Copies a row. Returns whether it is copied now; with exports, it is copied once an export has
   * it.
   */
  write(row: NewStoredKey): Promise<boolean>;
  /** Notes in the copies that keys were destroyed, so that none of them is restored. */
  writeDestroyed(keys: readonly LinedKey[]): Promise<void>;
}

export interface BranchDeps {
  readonly counts: BranchCounts;
  readonly store: KeyringStore;
  readonly settings: BranchSettings;
  readonly copies: BranchCopies;
  readonly clock: Clock;
  readonly gcm: Gcm;
  readonly draw: DrawRandom;
  /** Returns a random number from 0 to 1. */
  readonly jitter: () => number;
  readonly originKeys: OriginKeys;
  /** The tenant's bound: how long a proof of access is valid. */
  readonly revocationBoundMs: number;
  /**
   * Returns the registered key in the version that a JWE names.
   * @throws ServiceError `unknown-key`
   */
  readonly kekOf: (tenant: Tenant, jwe: Jwe) => KekRef;
  /** Returns the id of the one database whose branches may seal; undefined if none may. */
  readonly boundTo: () => string | undefined;
  /** Returns the monotonic time up to which the change feed has reported every change. */
  readonly confirmedAt: () => number;
  /**
   * Called once the event has happened in the database; resolves once it is recorded.
   * @throws ServiceError `audit-unavailable`
   */
  readonly onEvent: (event: BranchEvent, row: NewStoredKey) => Promise<void>;
  /** Called with a row whose JWE contradicts its columns. */
  readonly onDisagreement: (row: StoredKey) => void;
  /** Called once a branch key is in memory that was not before. */
  readonly onOpened: () => void;
  /** Called with failures that no request waits for. */
  readonly onBackgroundFailure: (error: unknown) => void;
}

/**
 * The tenant's data keys, as branch keys need them: a branch key is sealed under one, which also
 * proves access.
 */
export interface BranchDataKeys {
  readonly proofs: Proofs;
  readonly bounds: DataKeyBounds;
  slotFor(key: RegisteredKey): SealingSlot;
  forSealing(key: RegisteredKey, bytes: number): Soon<SealingUse>;
  forOpening(jwe: Jwe, kek: KekRef): Soon<OpeningUse>;
  forStoredKey(key: RegisteredKey, bytes: number): Promise<SealingUse>;
}

/** One tenant's branches, as the parts that seal under them see them. */
export interface BranchSource {
  readonly tenant: Tenant;
  readonly deps: BranchDeps;
  readonly dataKeys: BranchDataKeys;
  /** Returns a branch in memory, usable or not. */
  held(branchId: string): OpenedBranch | undefined;
  /**
   * Returns whether a branch may be used without any call: its row is unchanged since it was read,
   * and access to its key is proven.
   */
  isUsable(opened: OpenedBranch, now: number): boolean;
  /**
   * Returns a branch whose row was read, or confirmed by the change feed, and whose key has a proof
   * of access.
   */
  open(branchId: string): Promise<OpenedBranch>;
  /**
   * Moves a row to the newest version of a key. Returns false if the row does not open, because it
   * was altered or its version is refused.
   */
  move(row: StoredKey, key: RegisteredKey): Promise<boolean>;
  /** Returns whether the row is in the database again. */
  putBack(row: StoredKey): Promise<boolean>;
}

/**
 * Returns the name of a registered key as rows store it: URL and name in lower case, since Key
 * Vault ignores their case.
 */
export const vaultKeyOf = ({ vaultUrl, name }: Pick<RegisteredKey, 'vaultUrl' | 'name'>): string =>
  `${vaultUrl}/keys/${name}`.toLowerCase();

/** Returns the refusal of a compact message, or of a lease, that no branch may seal. */
export const notReady = (cause?: ServiceError): ServiceError =>
  new ServiceError('registry-unavailable', 'No branch key is ready to encrypt compact messages', {
    reason: 'branch-not-ready',
    retryAfter: 5,
    ...(cause && { cause }),
  });
