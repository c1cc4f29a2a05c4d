import type { KeyObject } from 'node:crypto';
import { ServiceError } from '../errors.ts';
import { undecryptable } from '../format/aes-gcm.ts';
import { type DataKey, isOriginMac } from '../format/data-key.ts';
import { type Jwe, openJwe, parseJwe, sealJwe } from '../format/jwe.ts';
import { headerTemplate, type JweType } from '../format/jwe-header.ts';
import { stringOf } from '../lib/json-safe.ts';
import type { SealingUse } from './data-keys.ts';
import { indexContext, parseIndexLabel } from './indexes/index-version.ts';
import type { KeyKind, NewStoredKey, StoredKey } from './keyring-store.ts';

/** The differences between the JWEs of branch keys and of index keys. */
interface Form {
  readonly typ: JweType;
  /** Length of the key. */
  readonly bytes: number;
  /**
   * Returns the canonical context (RFC 8785) that authenticates the row's columns; undefined for a
   * label of another form.
   */
  readonly contextOf: (row: Pick<StoredKey, 'id' | 'label'>) => Buffer | undefined;
}

const FORMS: Readonly<Record<KeyKind, Form>> = {
  branch: {
    typ: 'vaultspan-branch+jwe',
    bytes: 32,
    contextOf: ({ id, label }) =>
      Buffer.from(`{"vaultspan:branch":${JSON.stringify(id)},"vaultspan:epoch":${JSON.stringify(label)}}`),
  },
  index: {
    typ: 'vaultspan-index-key+jwe',
    bytes: 64,
    contextOf: ({ label }) => {
      const version = parseIndexLabel(label);
      return version && indexContext(version);
    },
  },
};

/** Returns the length of a key of this kind. */
export const storedKeyBytes = (kind: KeyKind): number => FORMS[kind].bytes;

/** Seals a key under a data key of the service and overwrites its bytes. Returns the row's JWE. */
export function sealStoredKey(use: SealingUse, bytes: Buffer, row: Pick<StoredKey, 'kind' | 'id' | 'label'>): string {
  const { dataKey, mac } = use.key;
  const { typ, contextOf } = FORMS[row.kind];
  const context = contextOf(row);
  try {
    if (!context) throw new Error(`no label of an ${row.kind} key`);
    return stringOf(sealJwe({ dataKey, header: headerTemplate(dataKey, mac, typ) }, use.iv, bytes, context));
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
export function parseStoredJwe(row: Pick<StoredKey, 'tenantId' | 'kind' | 'vaultKey' | 'kid' | 'jwe'>): Jwe {
  const form = Object.hasOwn(FORMS, row.kind) ? FORMS[row.kind] : undefined;
  if (row.jwe === undefined || !form) throw undecryptable();
  const jwe = parseJwe(row.jwe, form.typ);
  const { vaultUrl, name } = jwe.kek;
  const isOfKey = `${vaultUrl}/keys/${name}`.toLowerCase() === row.vaultKey;
  if (jwe.header.tid !== row.tenantId || jwe.header.kid !== row.kid || !isOfKey) throw undecryptable();
  return jwe;
}

/**
 * Returns whether a row agrees with its JWE and one of our origin keys made the JWE's `mac`. This
 * needs no vault, and does not prove that the JWE opens.
 */
export function isOurRow(row: NewStoredKey, originKeys: readonly KeyObject[]): boolean {
  try {
    const { header, kek, encryptedKey } = parseStoredJwe(row);
    const { alg, kid, tid, mac } = header;
    return isOriginMac(originKeys, { kek, algorithm: alg, kid, tenantId: tid, encryptedKey }, mac);
  } catch (error) {
    if (error instanceof ServiceError) return false;
    throw error;
  }
}

/** The opened content of a row. */
export interface OpenedStoredKey {
  /** The key, which the user overwrites. */
  readonly bytes: Buffer;
  /** Whether an origin key of this deployment made the JWE's `mac`. */
  readonly isOurs: boolean;
}

/**
 * Opens a row's JWE with its data key.
 * @throws ServiceError `context-mismatch` or `undecryptable` for a row that contradicts it
 */
export function openStoredKey(
  row: StoredKey,
  jwe: Jwe,
  dataKey: DataKey,
  originKeys: readonly KeyObject[],
): OpenedStoredKey {
  const { bytes: length, contextOf } = FORMS[row.kind];
  const context = contextOf(row);
  if (!context) throw undecryptable();
  const bytes = openJwe(dataKey, jwe, context);
  if (bytes.length === length) return { bytes, isOurs: isOriginMac(originKeys, dataKey, jwe.header.mac) };
  bytes.fill(0);
  throw undecryptable();
}
