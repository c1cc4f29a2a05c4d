import type { AuthenticatedRequest } from '../callers/authenticated-request.ts';
import { ServiceError } from '../errors.ts';
import { kidOf } from '../format/kek-ref.ts';
import { kekTypeOf, valueProblem, type WrapAlgorithm } from '../format/wrap-algorithms.ts';
import type { DataKeys } from '../keyring/data-keys.ts';
import { algorithmOf } from '../keyring/kek-facts.ts';
import type { KekFacts, KeyWrapper } from '../keyring/key-wrapper.ts';
import { assertAllowed } from '../keyring/policy/assert-allowed.ts';
import type { RegisteredKey } from '../tenants/record.ts';
import { type GrantDeps, openGrant, underGrant } from './granted-tenant.ts';
import { type AuditDeps, recordSuccess } from './record-success.ts';
import { keyByAlias } from './registered-key.ts';

export interface WrapKeyDeps extends AuditDeps, GrantDeps {
  readonly dataKeys: Pick<DataKeys, 'currentVersion' | 'policyOf' | 'versionRefused'>;
  readonly vault: KeyWrapper;
}

export interface WrapKeyInput {
  readonly tenantId: string;
  readonly value: Buffer;
  /** Alias. */
  readonly key: string;
  readonly algorithm?: WrapAlgorithm | undefined;
}

export interface WrappedValue {
  readonly wrappedKey: Buffer;
  readonly keyId: string;
  readonly algorithm: WrapAlgorithm;
}

/**
 * Returns the result of Key Vault's own wrapKey: one vault call, without cache or local work.
 * @throws ServiceError
 */
export async function wrapKey(
  deps: WrapKeyDeps,
  request: AuthenticatedRequest,
  input: WrapKeyInput,
): Promise<WrappedValue> {
  const { tenantId } = input;
  const grant = await openGrant(deps, request, 'Keys.Wrap', tenantId);
  const key = keyByAlias(grant.tenant, input.key, 'wrap');
  assertAlgorithm(key, input.algorithm);
  const facts = await deps.dataKeys.currentVersion(grant.tenant, key);
  if (input.algorithm !== undefined && kekTypeOf(input.algorithm) !== facts.type) {
    throw wrongAlgorithm(`is not for a key of type ${facts.type}`);
  }
  const algorithm = algorithmOf(facts, input.algorithm ?? key.algorithm);
  assertFits(facts, algorithm, input.value.length);
  const policy = await deps.dataKeys.policyOf(grant.tenant, facts.kek);
  assertAllowed(policy, { operation: 'wrap', access: request.access });
  const { bytes, vaultCall } = await underGrant(grant, (tenant) =>
    deps.vault.wrapKey(tenant, facts.kek, algorithm, input.value, 'caller').catch((error: unknown) => {
      if (error instanceof ServiceError && error.scope === 'key') deps.dataKeys.versionRefused(tenant, key);
      throw error;
    }),
  );
  const keyId = kidOf(facts.kek);
  const size = input.value.length;
  await recordSuccess(deps, request, {
    operation: 'wrap',
    tenantId,
    keyId,
    bytes: size,
    vaultCall: { ...vaultCall, policy: policy.policy },
  });
  return { wrappedKey: bytes, keyId, algorithm };
}

/**
 * Checks the size: a value that cannot be wrapped costs no vault call.
 * @throws ServiceError `malformed-request`
 */
function assertFits(facts: KekFacts, algorithm: WrapAlgorithm, bytes: number): void {
  const problem = valueProblem(algorithm, facts.bits ?? 0, bytes);
  if (problem === undefined) return;
  throw new ServiceError('malformed-request', `value ${problem}`, { errors: [{ pointer: '/value', detail: problem }] });
}

/**
 * Checks the algorithm: a record that names one allows no other.
 * @throws ServiceError `malformed-request`
 */
export function assertAlgorithm(key: RegisteredKey, asked: WrapAlgorithm | undefined): void {
  if (asked === undefined || key.algorithm === undefined || asked === key.algorithm) return;
  throw wrongAlgorithm(`is not ${key.algorithm}, which the key is registered for`);
}

const wrongAlgorithm = (detail: string): ServiceError =>
  new ServiceError('malformed-request', `algorithm ${detail}`, { errors: [{ pointer: '/algorithm', detail }] });
