import { createSecretKey, type KeyObject } from 'node:crypto';
import type { DataKey } from '../../format/data-key.ts';
import type { Jwe } from '../../format/jwe.ts';
import type { StoredKey } from '../keyring-store.ts';
import { openStoredKey } from '../stored-key-jwe.ts';

/** A branch key in memory, with its row. */
export interface BranchKey {
  readonly row: StoredKey;
  readonly key: KeyObject;
  /** The data key of the row's JWE: the vault unwraps it again to prove access. */
  readonly dataKey: DataKey;
  /**
   * Whether an origin key of this deployment made the JWE's `mac`. Without it the branch opens
   * messages, and never seals.
   */
  readonly isOurs: boolean;
}

/**
 * Opens a row's JWE with its data key.
 * @throws ServiceError as openStoredKey
 */
export function openBranchKey(row: StoredKey, jwe: Jwe, dataKey: DataKey, originKeys: readonly KeyObject[]): BranchKey {
  const { bytes, isOurs } = openStoredKey(row, jwe, dataKey, originKeys);
  try {
    return { row, key: createSecretKey(bytes), dataKey, isOurs };
  } finally {
    bytes.fill(0);
  }
}
