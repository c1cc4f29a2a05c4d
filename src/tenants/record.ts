import type { Normalize } from '../format/index-key.ts';
import type { WrapAlgorithm } from '../format/wrap-algorithms.ts';

/** A key that a tenant registered under an alias. */
export interface RegisteredKey {
  readonly vaultUrl: string;
  readonly name: string;
  /** A pinned version; if absent, the newest version is used. */
  readonly keyVersion?: string;
  /**
   * `data` seals messages and `wrap` serves wrap and unwrap, never both: otherwise unwrap would
   * return data keys of stored messages.
   */
  readonly use: 'data' | 'wrap';
  readonly algorithm?: WrapAlgorithm;
  /**
   * The form of sealed messages; default self-contained. Compact ones need the database to be
   * opened again.
   */
  readonly form?: 'self-contained' | 'compact';
  /** The form of a message while no branch key may seal; default self-contained. */
  readonly fallback?: 'self-contained' | 'refuse';
}

/** An index for look-ups; both members take effect with its next version. */
export interface RegisteredIndex {
  /** Length of its tokens: 32 to 256, a multiple of 8; default 128. */
  readonly bits?: number;
  /** Default none. */
  readonly normalize?: Normalize;
}

export interface RetiredKey {
  readonly vaultUrl: string;
  readonly name: string;
}

/** The customer's data collection rule in Azure Monitor. */
export interface LogsIngestion {
  readonly endpoint: string;
  /** Its immutable id. */
  readonly ruleId: string;
  readonly stream: string;
}

/** What a tenant may use in each period, which begins with UTC: a day at midnight. */
export interface Quota {
  readonly operations?: number | undefined;
  readonly bytes?: number | undefined;
  readonly periodSeconds: number;
}

/** A registered customer. */
export interface Tenant {
  readonly id: string;
  readonly displayName?: string;
  /** The customer's directory (GUID, lower-case). */
  readonly entraTenantId: string;
  readonly state: 'active' | 'suspended';
  readonly keys: Readonly<Record<string, RegisteredKey>>;
  readonly defaultKey: string;
  /** The key of a call that names none, by pairs of its context; the first match counts. */
  readonly keyRules?: readonly { readonly when: Readonly<Record<string, string>>; readonly key: string }[];
  readonly retiredKeys: readonly RetiredKey[];
  /** Indexes by name. */
  readonly indexes?: Readonly<Record<string, RegisteredIndex>>;
  readonly dataKeys?: {
    readonly mode?: 'cached' | 'perMessage';
    readonly maxAgeSeconds?: number;
    readonly maxMessages?: number;
    readonly maxBytes?: number;
  };
  readonly revocationBoundSeconds?: number;
  readonly origin: 'required' | 'optional';
  /** Names that every new encryption context must contain. */
  readonly requiredContext: readonly string[];
  /** Claims that every call on data must make about the access. */
  readonly requiredAccess?: readonly ('subject' | 'reason' | 'label')[];
  readonly checkIntervalSeconds?: number;
  readonly canarySecret?: string;
  readonly graph?: { readonly organization?: boolean; readonly users?: boolean; readonly groups?: boolean };
  readonly metadata?: Readonly<Record<string, string>>;
  /** If present, callers may lease leaf keys, and a lease lasts at most this long. */
  readonly leases?: { readonly maxSeconds: number };
  /** Default: the configuration's. */
  readonly quota?: Quota;
  /** The customer's SIEM, which gets the tenant's audit records. */
  readonly siem?: { readonly logsIngestion: LogsIngestion };
  /** Changes with every change of the record. */
  readonly revision: string;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** Returns whether both name one key, whatever its version; Key Vault's names ignore case. */
export function isSameKey(a: RetiredKey, b: RetiredKey): boolean {
  if (a.name === b.name && a.vaultUrl === b.vaultUrl) return true;
  return a.vaultUrl.toLowerCase() === b.vaultUrl.toLowerCase() && a.name.toLowerCase() === b.name.toLowerCase();
}

/** Returns the record as it was written, without the members that a registry adds. */
export function recordOf(tenant: Tenant): Omit<Tenant, 'revision' | 'createdAt' | 'updatedAt'> {
  const { revision: _revision, createdAt: _createdAt, updatedAt: _updatedAt, ...record } = tenant;
  return record;
}
