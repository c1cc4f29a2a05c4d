import { createSecretKey, type KeyObject } from 'node:crypto';
import { undecryptable } from '../../format/aes-gcm.ts';
import { type DataKey, isOriginMac } from '../../format/data-key.ts';
import { type Jwe, openJwe, parseJwe, sealJwe } from '../../format/jwe.ts';
import { headerTemplate } from '../../format/jwe-header.ts';
import type { SealingUse } from '../data-keys.ts';
import type { StoredKey } from '../keyring-store.ts';

const BRANCH_KEY_BYTES = 32;
const BRANCH_TYPE = 'vaultspan-branch+jwe';

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
 * Returns the context that authenticates a row: its id and its epoch, as the canonical context of
 * its JWE (RFC 8785).
 */
const contextOf = ({ id, label }: Pick<StoredKey, 'id' | 'label'>): Buffer =>
  Buffer.from(`{"vaultspan:branch":${JSON.stringify(id)},"vaultspan:epoch":${JSON.stringify(label)}}`);

/**
 * Seals a branch key under a data key of the service and overwrites its bytes. Returns the row's
 * JWE.
 */
export function sealBranchKey(use: SealingUse, bytes: Buffer, name: Pick<StoredKey, 'id' | 'label'>): string {
  const { dataKey, mac } = use.key;
  try {
    return sealJwe({ dataKey, header: headerTemplate(dataKey, mac, BRANCH_TYPE) }, use.iv, bytes, contextOf(name));
  } finally {
    bytes.fill(0);
  }
}

/**
 * Returns the parsed JWE of a row, which must agree with the row's columns: the columns find a row,
 * and its JWE defines its content.
 * @throws ServiceError `undecryptable` for a tombstone, an unknown form, another tenant or another
 * key
 */
export function parseBranchJwe(row: StoredKey): Jwe {
  if (row.jwe === undefined) throw undecryptable();
  const jwe = parseJwe(row.jwe, BRANCH_TYPE);
  const { vaultUrl, name } = jwe.kek;
  const isOfKey = `${vaultUrl}/keys/${name}`.toLowerCase() === row.vaultKey;
  if (jwe.header.tid !== row.tenantId || jwe.header.kid !== row.kid || !isOfKey) throw undecryptable();
  return jwe;
}

/**
 * Opens a row's JWE with its data key.
 * @throws ServiceError `context-mismatch` or `undecryptable` for a row that contradicts it
 */
export function openBranchKey(row: StoredKey, jwe: Jwe, dataKey: DataKey, originKeys: readonly KeyObject[]): BranchKey {
  const bytes = openJwe(dataKey, jwe, contextOf(row));
  try {
    if (bytes.length !== BRANCH_KEY_BYTES) throw undecryptable();
    return { row, key: createSecretKey(bytes), dataKey, isOurs: isOriginMac(originKeys, dataKey, jwe.header.mac) };
  } finally {
    bytes.fill(0);
  }
}
