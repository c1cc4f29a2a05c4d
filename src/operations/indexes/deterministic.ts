import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { ServiceError } from '../../errors.ts';
import { undecryptable } from '../../format/aes-gcm.ts';
import { decodeBase64Url } from '../../format/base64.ts';
import { canonicalContext } from '../../format/encryption-context.ts';
import { deterministicVersion, openDeterministic, sealDeterministic } from '../../format/index-key.ts';
import { malformed } from '../../format/jwe-header.ts';
import type { OpenedIndexKey } from '../../keyring/indexes/opened-index-keys.ts';
import type { PolicedUse } from '../../keyring/policy/assert-allowed.ts';
import type { Tenant } from '../../tenants/record.ts';
import { type GrantDeps, openGrant, underGrant } from '../granted-tenant.ts';
import { contextForSealing } from '../sealing-context.ts';
import { assertTogether, atValue, eachValue } from './each-value.ts';
import { indexOf } from './index-of.ts';
import { lookUp, type OfVersion } from './look-up.ts';
import { type IndexUseDeps, recordIndexUse, useOf } from './record-index-use.ts';

export interface DeterministicDeps extends IndexUseDeps, GrantDeps {
  /** Whether OpenSSL runs in FIPS mode, which does not approve AES-SIV. */
  readonly isFips: boolean;
}

interface Input<V> {
  readonly tenantId: string;
  /** Of the index. */
  readonly name: string;
  readonly values: readonly V[];
  /** As `JSON.parse` made it. */
  readonly encryptionContext?: unknown;
}

/** The encrypted values under one version. */
interface VersionValues {
  readonly version: number;
  readonly values: readonly string[];
}

export interface DeterministicValues {
  /** To store. */
  readonly write: VersionValues;
  /** To search with: a stored value may be any of them. */
  readonly search: readonly VersionValues[];
}

/**
 * Encrypts values so that equal values under equal contexts have equal ciphertexts.
 * @throws ServiceError
 */
export async function encryptDeterministic(
  deps: DeterministicDeps,
  request: AuthenticatedRequest,
  { tenantId, name, values, encryptionContext }: Input<Buffer>,
): Promise<DeterministicValues> {
  const grant = await openGrant(deps, request, 'Data.Encrypt', tenantId);
  assertApproved(deps);
  const bytes = assertTogether(values, deps.maxPlaintextBytes);
  const context = contextForSealing(grant.tenant, encryptionContext);
  const { write, search, uses } = await underGrant(grant, (tenant) =>
    lookUp(deps, {
      tenant,
      name,
      values,
      about: { operation: 'encrypt', context, access: request.access },
      countedAs: 'deterministic-encrypt',
      make: ({ key }, value) => sealDeterministic(key, value, context),
    }),
  );
  const facts = { operation: 'deterministic-encrypt', tenantId, index: name, values: values.length, bytes, context };
  await recordIndexUse(deps, request, facts, uses);
  return { write: valuesOf(write), search: search.map(valuesOf) };
}

const valuesOf = ({ version, made }: OfVersion): VersionValues => ({
  version,
  values: made,
});

/**
 * Decrypts deterministic values. All or nothing.
 * @throws ServiceError
 */
export async function decryptDeterministic(
  deps: DeterministicDeps,
  request: AuthenticatedRequest,
  { tenantId, name, values, encryptionContext }: Input<string>,
): Promise<readonly Buffer[]> {
  const grant = await openGrant(deps, request, 'Data.Decrypt', tenantId);
  assertApproved(deps);
  const context = canonicalContext(encryptionContext);
  const sealed = await eachValue(deps, values, parse);
  const { opened, uses } = await underGrant(grant, (tenant) =>
    openAll(deps, tenant, name, sealed, { operation: 'decrypt', context, access: request.access }),
  );
  const bytes = opened.reduce((sum, { length }) => sum + length, 0);
  const facts = { operation: 'deterministic-decrypt', tenantId, index: name, values: values.length, bytes, context };
  await recordIndexUse(deps, request, facts, uses);
  return opened;
}

interface Sealed {
  readonly version: number;
  readonly bytes: Buffer;
}

/** Returns a parsed value. Only its one canonical text is accepted, so that it can be compared. */
function parse(text: string): Sealed {
  const bytes = decodeBase64Url(text);
  if (!bytes) throw malformed('a deterministic value is canonical base64url without padding');
  return { version: deterministicVersion(bytes), bytes };
}

async function openAll(
  deps: DeterministicDeps,
  tenant: Tenant,
  name: string,
  sealed: readonly Sealed[],
  about: PolicedUse,
) {
  indexOf(tenant, name);
  const indexes = deps.indexKeys.indexesOf(tenant);
  const keys = new Map<number, readonly OpenedIndexKey[]>();
  for (const [at, { version }] of sealed.entries()) {
    if (keys.has(version)) continue;
    try {
      keys.set(version, await indexes.forOpening(name, version));
    } catch (error) {
      throw error instanceof ServiceError && error.code === 'unknown-key' && error.errors ? atValue(error, at) : error;
    }
  }
  const uses = useOf(deps, tenant, [...keys.values()].flat(), about);
  const opened = await eachValue(deps, sealed, ({ version, bytes }) =>
    openOne(keys.get(version) ?? [], bytes, about.context),
  );
  indexes.deps.counts.indexValues['deterministic-decrypt'] += sealed.length;
  return { opened, uses };
}

/** Opens a value with the key of its version, of which there may be two. */
function openOne(keys: readonly OpenedIndexKey[], bytes: Buffer, context: Buffer | undefined): Buffer {
  let refusal: ServiceError = undecryptable();
  for (const { key } of keys) {
    try {
      return openDeterministic(key, bytes, context);
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      refusal = error;
    }
  }
  throw refusal;
}

/**
 * Checks the mode of OpenSSL.
 * @throws ServiceError `route-not-found`
 */
function assertApproved({ isFips }: Pick<DeterministicDeps, 'isFips'>): void {
  if (!isFips) return;
  throw new ServiceError('route-not-found', 'Deterministic values are off in FIPS mode: AES-SIV is not approved', {
    reason: 'fips',
  });
}
