/** Algorithms by which a Key Vault key wraps another; Key Vault's names are the JWA names (RFC 7518 §4.1). */
export type WrapAlgorithm = 'RSA-OAEP-256' | 'RSA-OAEP' | 'A128KW' | 'A192KW' | 'A256KW';

/** One version of one key in one vault. */
export interface KekRef {
  /** `https://HOST[:PORT]`, lower-case, no slash at the end. */
  readonly vaultUrl: string;
  readonly name: string;
  /** 32 lower-case hex digits. */
  readonly keyVersion: string;
}

/** A key that a tenant registered under an alias. */
export interface RegisteredKey {
  readonly vaultUrl: string;
  readonly name: string;
  /** Pinned; absent, the newest version is followed. */
  readonly keyVersion?: string;
  /** `data` seals messages and `wrap` serves wrap and unwrap, never both: else unwrap would hand out data keys of stored messages. */
  readonly use: 'data' | 'wrap';
  readonly algorithm?: WrapAlgorithm;
}

export interface RetiredKey {
  readonly vaultUrl: string;
  readonly name: string;
}

export interface DataKeyBounds {
  readonly mode: 'cached' | 'perMessage';
  readonly maxAgeSeconds: number;
  readonly maxMessages: number;
  readonly maxBytes: number;
}

/** A customer, as registered. */
export interface Tenant {
  readonly id: string;
  readonly displayName?: string;
  /** The customer's directory (GUID, lower-case). */
  readonly entraTenantId: string;
  readonly state: 'active' | 'suspended';
  readonly keys: Readonly<Record<string, RegisteredKey>>;
  readonly defaultKey: string;
  readonly retiredKeys: readonly RetiredKey[];
  readonly dataKeys?: Partial<DataKeyBounds>;
  readonly revocationBoundSeconds?: number;
  readonly origin: 'required' | 'optional';
  /** Names that every new encryption context must have. */
  readonly requiredContext: readonly string[];
  readonly checkIntervalSeconds?: number;
  readonly canarySecret?: string;
  readonly graph?: { readonly organization?: boolean; readonly users?: boolean; readonly groups?: boolean };
  readonly metadata?: Readonly<Record<string, string>>;
  /** Changes with every change of the record. */
  readonly revision: string;
  readonly createdAt: string;
  readonly updatedAt: string;
}

const KID = /^(https:\/\/[a-z0-9.-]{1,253}(?::[0-9]{1,5})?)\/keys\/([0-9A-Za-z-]{1,127})\/([0-9a-f]{32})$/;

/** Key Vault's own id of a key version. */
export const kidOf = (kek: KekRef): string => `${kek.vaultUrl}/keys/${kek.name}/${kek.keyVersion}`;

/** The parts of a key id of exactly the form that `kidOf` makes, or undefined. */
export function parseKid(kid: string): KekRef | undefined {
  const match = KID.exec(kid);
  if (!match) return undefined;
  const [, vaultUrl = '', name = '', keyVersion = ''] = match;
  return { vaultUrl, name, keyVersion };
}

/** Whether both name one key, whatever its version; Key Vault's names ignore case. */
export function isSameKey(a: RetiredKey, b: RetiredKey): boolean {
  if (a.name === b.name && a.vaultUrl === b.vaultUrl) return true;
  return a.vaultUrl.toLowerCase() === b.vaultUrl.toLowerCase() && a.name.toLowerCase() === b.name.toLowerCase();
}

/** The record as it was written: without what a registry adds. */
export function recordOf(tenant: Tenant): Omit<Tenant, 'revision' | 'createdAt' | 'updatedAt'> {
  const { revision: _revision, createdAt: _createdAt, updatedAt: _updatedAt, ...record } = tenant;
  return record;
}
