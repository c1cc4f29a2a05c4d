import { type Fix, ServiceError } from '../errors.ts';
import {
  activateKey,
  enableKey,
  grantAccessPolicy,
  grantRole,
  openFirewall,
  permitKeyOperations,
  recoverKey,
  renewKey,
} from '../tenants/fixes.ts';
import type { KekRef } from '../tenants/tenant.ts';
import { type ForeignError, readForeignError } from './foreign-error.ts';

/** Which call failed. */
export interface VaultCall {
  readonly operation: 'getKey' | 'wrapKey' | 'unwrapKey';
  /** `keyVersion` is empty where the newest was asked for. */
  readonly kek: KekRef;
  readonly appId: string;
}

interface Refusal {
  readonly reason: string;
  readonly detail: string;
  readonly fix: (call: VaultCall) => Fix;
}

const roleMissing: Refusal = {
  reason: 'role-missing',
  detail: "The app has no role on the customer's key, or a new grant has not spread yet",
  fix: ({ kek, appId }) => grantRole(kek, appId),
};
const policyMissing: Refusal = {
  reason: 'policy-missing',
  detail: "The vault's access policies don't permit the app to use its keys",
  fix: ({ kek, appId }) => grantAccessPolicy(kek, appId),
};
const firewall: Refusal = {
  reason: 'firewall',
  detail: "The vault's network rules keep the service out",
  fix: ({ kek }) => openFirewall(kek),
};
const disabled: Refusal = { reason: 'key-disabled', detail: 'The key is disabled', fix: ({ kek }) => enableKey(kek) };
const notYetValid: Refusal = {
  reason: 'key-not-yet-valid',
  detail: 'The key is not valid yet',
  fix: ({ kek }) => activateKey(kek),
};
const expired: Refusal = { reason: 'key-expired', detail: 'The key has expired', fix: ({ kek }) => renewKey(kek) };

/** Inner codes of Key Vault's 403: https://learn.microsoft.com/azure/key-vault/general/rest-error-codes */
const FORBIDDEN: ReadonlyMap<string, Refusal> = new Map([
  ['ForbiddenByRbac', roleMissing],
  ['AccessDenied', policyMissing],
  ['ForbiddenByPolicy', policyMissing],
  ['ForbiddenByFirewall', firewall],
  ['ForbiddenByConnection', firewall],
  ['KeyDisabled', disabled],
  ['KeyNotYetValid', notYetValid],
  ['KeyExpired', expired],
  [
    'KeyOperationForbidden',
    {
      reason: 'key-operation-forbidden',
      detail: "The key's permitted operations lack wrapKey or unwrapKey",
      fix: ({ kek }) => permitKeyOperations(kek),
    },
  ],
]);
const forbidden: Refusal = {
  reason: 'forbidden',
  detail: 'The vault refuses the app without a reason that we know; most often its role is missing',
  fix: ({ kek, appId }) => grantRole(kek, appId),
};

const WRONG_DIRECTORY = 10_032;
const BACK_OFF_SECONDS = 2; // Key Vault's 429 may come without Retry-After
const RETRY_SECONDS = 5;

/** What a failed vault call means. Whatever is no definite refusal says nothing of access. */
export function vaultFailure(error: unknown, call: VaultCall): ServiceError {
  if (error instanceof ServiceError) return error;
  const foreign = readForeignError(error);
  switch (foreign.status ?? 0) {
    case 400:
      return badRequest(call, error);
    case 401:
      return foreign.akv === WRONG_DIRECTORY ? vaultElsewhere(error) : tokenRefused(error);
    case 403:
      return refusal(FORBIDDEN.get(foreign.innerCode) ?? FORBIDDEN.get(foreign.code) ?? forbidden, call, error);
    case 404:
      return keyAbsent(call, error);
    case 429:
      return new ServiceError('vault-throttled', "The customer's vault is over its quota", {
        retryAfter: foreign.retryAfter ?? BACK_OFF_SECONDS,
        cause: error,
      });
    default:
      return outage(foreign, error);
  }
}

/** The vault of a customer answers for another directory than the one registered, by its challenge or by its refusal. */
export const vaultElsewhere = (cause?: unknown): ServiceError =>
  new ServiceError('tenant-misconfigured', "The vault belongs to another directory than the tenant's record says", {
    reason: 'vault-elsewhere',
    scope: 'key',
    fix: { owner: 'vendor', action: "Correct entraTenantId or vaultUrl in the tenant's record" },
    cause,
  });

function refusal({ reason, detail, fix }: Refusal, call: VaultCall, cause: unknown): ServiceError {
  return new ServiceError('access-revoked', detail, { reason, scope: 'key', fix: fix(call), cause });
}

const keyAbsent = (call: VaultCall, cause: unknown): ServiceError =>
  refusal(
    { reason: 'key-absent', detail: 'The vault has no such key or version', fix: ({ kek }) => recoverKey(kek) },
    call,
    cause,
  );

const tokenRefused = (cause: unknown): ServiceError =>
  new ServiceError('access-revoked', 'The vault does not accept the token that Entra issued', {
    reason: 'token-refused',
    scope: 'key',
    fix: { owner: 'vendor', action: "Check the deployment's cloud and the machine's clock" },
    cause,
  });

/** On unwrap a 400 says that this key never wrapped these bytes; on wrap, that the value doesn't fit the key. */
function badRequest({ operation }: VaultCall, cause: unknown): ServiceError {
  if (operation === 'unwrapKey') return new ServiceError('undecryptable', 'The ciphertext does not open', { cause });
  const errors = [{ pointer: '/value', detail: 'does not fit the key and its algorithm' }];
  return new ServiceError('malformed-request', 'The vault refused the value', { cause, errors });
}

function outage({ code }: ForeignError, cause: unknown): ServiceError {
  const isUnknownHost = code === 'ENOTFOUND';
  return new ServiceError('vault-unavailable', "The customer's vault could not be reached or is in trouble", {
    ...(isUnknownHost && {
      reason: 'vault-not-found',
      fix: { owner: 'resource-owner', action: "Check the vault's name, its deletion and its private DNS" } as const,
    }),
    retryAfter: RETRY_SECONDS,
    cause,
  });
}
