import { createSecretKey, type KeyObject } from 'node:crypto';
import type { AuditEvent } from '../../src/audit/event.ts';
import type { Role } from '../../src/callers/principal.ts';
import { ServiceError } from '../../src/errors.ts';
import { Slices } from '../../src/http/admission/slices.ts';
import { BranchCounts } from '../../src/keyring/branches/branch-counts.ts';
import type { BranchCopies } from '../../src/keyring/branches/branch-deps.ts';
import { type BranchParts, CachedDataKeys } from '../../src/keyring/cached-data-keys.ts';
import type { OriginKeys } from '../../src/keyring/data-keys.ts';
import { stringOf } from '../../src/lib/json-safe.ts';
import { type DrawRandom, systemRandom } from '../../src/lib/random.ts';
import { decryptData } from '../../src/operations/decrypt-data.ts';
import { encryptData } from '../../src/operations/encrypt-data.ts';
import { makeIndexKeys, retireIndexVersion, rotateIndex } from '../../src/operations/indexes/change-index.ts';
import { createTokens } from '../../src/operations/indexes/create-tokens.ts';
import { decryptDeterministic, encryptDeterministic } from '../../src/operations/indexes/deterministic.ts';
import { kekOf } from '../../src/operations/open-message.ts';
import type { DataKeyBounds } from '../../src/tenants/bounds.ts';
import type { CountKeyUse } from '../../src/tenants/key-usage.ts';
import type { Tenant } from '../../src/tenants/record.ts';
import { tenantNotFound } from '../../src/tenants/registry.ts';
import { gcm } from './gcm.ts';
import { JwkKeyWrapper } from './jwk-key-wrapper.ts';
import { MemoryKeyring } from './memory-keyring.ts';
import { TestClock } from './test-clock.ts';
import { messages } from './vectors.ts';

const VAULT = 'https://contoso-kv.vault.azure.net';
const HSM = 'https://contoso-hsm.managedhsm.azure.net';
export const CMK_V1 = `${VAULT}/keys/cmk/0f1e2d3c4b5a69788796a5b4c3d2e1f0`;
export const CMK_V2 = `${VAULT}/keys/cmk/a1b2c3d4e5f60718293a4b5c6d7e8f90`;
export const HSM_KEY = `${HSM}/keys/kek/00112233445566778899aabbccddeeff`;

export const ORIGIN_KEY = createSecretKey(messages.originKey, 'base64url');

const BOUNDS: DataKeyBounds = { mode: 'cached', maxAgeMs: 3_600_000, maxMessages: 2 ** 24, maxBytes: 2 ** 36 };
/** The default revocation bound, in seconds. */
export const BOUND = 300;

/** A tenant with an RSA key as its default and an AES key in a Managed HSM. */
export function tenantRecord(change: Partial<Tenant> = {}): Tenant {
  return {
    id: 'contoso',
    entraTenantId: '11111111-2222-4333-8444-555555555555',
    state: 'active',
    keys: {
      cmk: { vaultUrl: VAULT, name: 'cmk', use: 'data' },
      hsm: { vaultUrl: HSM, name: 'kek', use: 'data' },
    },
    defaultKey: 'cmk',
    retiredKeys: [],
    origin: 'required',
    requiredContext: [],
    revision: '1',
    createdAt: '2026-11-01T00:00:00Z',
    updatedAt: '2026-11-01T00:00:00Z',
    ...change,
  };
}

class KnownOriginKeys implements OriginKeys {
  keys: readonly KeyObject[] = [ORIGIN_KEY];
  /** The keys in the home vault now. */
  stored: readonly KeyObject[] | undefined;
  rereads = 0;

  current(): readonly KeyObject[] {
    return this.keys;
  }

  async reread(): Promise<readonly KeyObject[]> {
    this.rereads += 1;
    this.keys = this.stored ?? this.keys;
    return this.keys;
  }
}

/**
 * The shared parts of several processes: one clock, the customer's vaults with the keys of the
 * vectors, the origin keys and the registry.
 */
export class Deployment {
  readonly clock = new TestClock();
  readonly vault = new JwkKeyWrapper();
  readonly originKeys = new KnownOriginKeys();
  /** Source of the keys and IVs of processes that start later. */
  draw: DrawRandom = systemRandom;
  /** Renewals begin at half of the bound unless a test spreads them. */
  jitter = (): number => 0;
  readonly #tenants = new Map<string, Tenant>();

  constructor(change: Partial<Tenant> = {}) {
    for (const [kid, jwk] of Object.entries(messages.keys)) this.vault.add(kid, jwk);
    this.vault.makeNewest(CMK_V1);
    this.register(tenantRecord(change));
  }

  register(tenant: Tenant): void {
    this.#tenants.set(tenant.id, tenant);
  }

  async get(tenantId: string): Promise<Tenant> {
    const tenant = this.#tenants.get(tenantId);
    if (!tenant) throw tenantNotFound();
    return tenant;
  }

  async list() {
    return { tenants: [...this.#tenants.values()] };
  }

  trouble(): undefined {}

  async close(): Promise<void> {}

  /**
   * The database of branch keys, once a test has compact messages; every process receives its
   * changes at once.
   */
  keyring: MemoryKeyring | undefined;
  branchSettings = { epochMs: 86_400_000, settleMs: 600_000, recheckMs: 60_000 };
  copies: BranchCopies = { isRequired: false, write: async () => false, writeDestroyed: async () => undefined };
  /** The database that the home vault names. */
  boundTo: string | undefined = 'memory';
  readonly branchCounts = new BranchCounts();
  readonly branchEvents: string[] = [];
  readonly disagreements: string[] = [];
  readonly #processes: Process[] = [];

  /** Gives the deployment a database of branch keys. */
  withKeyring(): MemoryKeyring {
    this.keyring = new MemoryKeyring(this.clock, (tenantId) => {
      for (const { dataKeys } of this.#processes) dataKeys.branchesChanged(tenantId);
    });
    return this.keyring;
  }

  start(): Process {
    const process = new Process(this);
    this.#processes.push(process);
    return process;
  }

  branchParts(): BranchParts | undefined {
    const { keyring } = this;
    if (!keyring) return undefined;
    return {
      store: keyring,
      settings: this.branchSettings,
      copies: this.copies,
      counts: this.branchCounts,
      kekOf,
      boundTo: () => this.boundTo,
      confirmedAt: () => (keyring.isAway ? Number.NEGATIVE_INFINITY : this.clock.monotonicMs()),
      onEvent: async (event) => void this.branchEvents.push(event),
      onDisagreement: ({ id }) => void this.disagreements.push(id),
    };
  }
}

interface Named {
  readonly tenantId?: string;
  /** Of the index. */
  readonly name?: string;
  readonly context?: unknown;
}

interface Sealed {
  readonly tenantId?: string;
  readonly context?: unknown;
}

export const call = {
  principal: {
    id: 'test',
    roles: new Set<Role>([
      'Data.Encrypt',
      'Data.Decrypt',
      'Data.Index',
      'Keys.Wrap',
      'Keys.Unwrap',
      'Tenants.Read',
      'Tenants.Manage',
    ]),
    tenantIds: undefined,
  },
  requestId: '00000000-0000-4000-8000-000000000000',
};

/** One process of the service: the operations over data keys in its own memory. */
class Process {
  readonly dataKeys: CachedDataKeys;
  readonly backgroundFailures: unknown[] = [];
  readonly audited: AuditEvent[] = [];
  readonly #deployment: Deployment;

  constructor(deployment: Deployment) {
    this.#deployment = deployment;
    this.dataKeys = new CachedDataKeys({
      wrapper: deployment.vault,
      originKeys: deployment.originKeys,
      gcm,
      draw: deployment.draw,
      jitter: () => deployment.jitter(),
      clock: deployment.clock,
      bounds: BOUNDS,
      revocationBoundMs: BOUND * 1_000,
      branches: deployment.branchParts(),
      onBackgroundFailure: (error) => void this.backgroundFailures.push(error),
    });
  }

  async encrypt(
    plaintext: string | Uint8Array = 'a value',
    { tenantId = 'contoso', context, key }: Sealed & { readonly key?: string } = {},
  ): Promise<string> {
    const input = { tenantId, plaintext: Buffer.from(plaintext), encryptionContext: context, key };
    return stringOf((await encryptData(this.deps(), call, input)).ciphertext);
  }

  async decrypt(ciphertext: string, { tenantId = 'contoso', context }: Sealed = {}): Promise<Buffer> {
    return (await decryptData(this.deps(), call, { tenantId, ciphertext, encryptionContext: context })).plaintext;
  }

  /** Returns the tokens of one value: to write, and to search with by version. */
  async tokens(value: string | Uint8Array = 'ann@example.org', { tenantId = 'contoso', name = 'email' }: Named = {}) {
    const values = [Buffer.from(value)];
    const { write, search } = await createTokens(this.deps(), call, { tenantId, name, values });
    return {
      write: { version: write.version, token: write.tokens[0] },
      search: Object.fromEntries(search.map(({ version, tokens }) => [version, tokens[0]])),
    };
  }

  /** Returns one value, encrypted deterministically with the version that is written. */
  async sealDeterministic(value = 'ann@example.org', { tenantId = 'contoso', name = 'email', context }: Named = {}) {
    const input = { tenantId, name, values: [Buffer.from(value)], encryptionContext: context };
    return (await encryptDeterministic(this.deps(), call, input)).write.values[0] ?? '';
  }

  async openDeterministic(sealed: string, { tenantId = 'contoso', name = 'email', context }: Named = {}) {
    const input = { tenantId, name, values: [sealed], encryptionContext: context };
    return (await decryptDeterministic(this.deps(), call, input))[0]?.toString();
  }

  async rotateIndex(name = 'email') {
    return (await rotateIndex(this.deps(), call, { tenantId: 'contoso', name })).versions;
  }

  async retireIndex(version: number, name = 'email') {
    return (await retireIndexVersion(this.deps(), call, { tenantId: 'contoso', name, version })).versions;
  }

  /** Makes the first keys of the tenant's indexes, as after a change of its record. */
  async makeIndexKeys(tenantId = 'contoso'): Promise<void> {
    await makeIndexKeys(this.dataKeys, await this.#deployment.get(tenantId));
  }

  /** Returns the dependencies of every operation on data. */
  deps() {
    const audit = {
      record: async (event: AuditEvent) => void this.audited.push(event),
      trouble: () => undefined,
      close: async () => {},
    };
    const { dataKeys } = this;
    const { clock } = this.#deployment;
    return {
      tenants: this.#deployment,
      clock,
      dataKeys,
      draw: this.#deployment.draw,
      vault: this.#deployment.vault,
      indexKeys: dataKeys,
      isFips: false,
      slices: new Slices(),
      maxPlaintextBytes: 2 ** 24,
      audit,
      countKeyUse: (() => undefined) as CountKeyUse,
      contextDigest: () => 'digest',
    };
  }
}

/** Lets background work continue as far as it can. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Makes `count` concurrent requests: each has begun before the first is answered. */
export const allAtOnce = <T>(count: number, request: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => request(index)));

export const encryptedKeyOf = (ciphertext: string): string => segment(ciphertext, 1);

export const headerOf = (ciphertext: string): Record<string, string> =>
  JSON.parse(Buffer.from(segment(ciphertext, 0), 'base64url').toString());

const segment = (ciphertext: string, index: number): string => ciphertext.split('.')[index] ?? '';

/**
 * Returns the code of a request's failure, `ok` for a success. Any error but ServiceError is a bug
 * and is thrown.
 */
export async function codeOf(request: Promise<unknown>): Promise<string> {
  try {
    await request;
    return 'ok';
  } catch (error) {
    if (error instanceof ServiceError) return error.code;
    throw error;
  }
}
