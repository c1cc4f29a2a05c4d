import { type ErrorCode, type Fix, ServiceError, type ServiceErrorOptions, type VaultCallIds } from '../../errors.ts';
import type { KekRef } from '../../format/kek-ref.ts';
import type { WrapAlgorithm } from '../../format/wrap-algorithms.ts';
import { defined } from '../../lib/defined.ts';

import {
  activateKey,
  enableKey,
  grantAccessPolicy,
  grantRole,
  isManagedHsm,
  openFirewall,
  openPublicAccess,
  permitKeyOperations,
  recoverKey,
  renewKey,
} from '../../tenants/azure-commands.ts';
import { type ForeignError, isAnotherServer, readForeignError } from '../foreign-error.ts';

/** The call that failed. */
export interface VaultCall {
  readonly operation: 'getKey' | 'wrapKey' | 'unwrapKey';
  /** `keyVersion` is empty for the newest. */
  readonly kek: KekRef;
  /** Absent for a read. */
  readonly algorithm?: WrapAlgorithm | undefined;
  readonly appId: string;
  readonly tenantId: string;
  /** Absent if no request was made with our ids. */
  readonly vaultCall?: VaultCallIds | undefined;
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
  detail: "The vault's access policies do not allow the app to use its keys",
  fix: ({ kek, appId }) => grantAccessPolicy(kek, appId),
};
const firewall: Refusal = {
  reason: 'firewall',
  detail: "The vault's network rules block the service",
  fix: ({ kek }) => openFirewall(kek),
};
const publicAccessOff: Refusal = {
  reason: 'public-access-disabled',
  detail: 'The vault accepts no calls from public networks, and the service has no private endpoint to it',
  fix: ({ kek }) => openPublicAccess(kek),
};
const disabled: Refusal = { reason: 'key-disabled', detail: 'The key is disabled', fix: ({ kek }) => enableKey(kek) };
const notYetValid: Refusal = {
  reason: 'key-not-yet-valid',
  detail: 'The key is not valid yet',
  fix: ({ kek }) => activateKey(kek),
};
const expired: Refusal = {
  reason: 'key-expired',
  detail: 'The key has expired',
  fix: ({ kek, tenantId, algorithm }) => renewKey(tenantId, { ...kek, ...defined({ algorithm }) }),
};

/**
 * Inner codes of Key Vault's 403:
 * https://learn.microsoft.com/azure/key-vault/general/rest-error-codes
 */
const FORBIDDEN: ReadonlyMap<string, Refusal> = new Map([
  ['ForbiddenByRbac', roleMissing],
  ['ForbiddenByPolicy', policyMissing],
  ['ForbiddenByFirewall', firewall],
  ['ForbiddenByConnection', publicAccessOff],
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
  detail: 'The vault refuses the app for an unknown reason; most often its role is missing',
  fix: ({ kek, appId }) => grantRole(kek, appId),
};

/**
 * Returns the refusal. A Managed HSM answers AccessDenied without an inner code for a missing role
 * (azure-cli#32719). It has no access policies.
 */
function forbiddenAs({ innerCode, code }: ForeignError, { kek }: VaultCall): Refusal {
  const known = FORBIDDEN.get(innerCode) ?? FORBIDDEN.get(code);
  if (known) return known;
  if (code !== 'AccessDenied' && innerCode !== 'AccessDenied') return forbidden;
  return isManagedHsm(kek.vaultUrl) ? roleMissing : policyMissing;
}

/** `reason` of a 401 that is no configuration error. */
export const TOKEN_REFUSED = 'token-refused';
const WRONG_DIRECTORY = 10_032;
const BACK_OFF_SECONDS = 2; // Key Vault's 429 may come without Retry-After
const RETRY_SECONDS = 5;

/**
 * The meaning of a failure, without the members that all have: the cause, and the id of the call.
 */
interface Meaning extends Omit<ServiceErrorOptions, 'cause' | 'vaultCall'> {
  readonly code: ErrorCode;
  readonly detail: string;
}

/**
 * Returns the meaning of a failed vault call. Any failure but a definite refusal says nothing about
 * access.
 */
export function vaultFailure(error: unknown, call: VaultCall): ServiceError {
  if (error instanceof ServiceError) return error;
  const { code, detail, ...options } = meaningOf(readForeignError(error), call);
  const { vaultCall } = call;
  return new ServiceError(code, detail, { ...options, cause: error, ...defined({ vaultCall }) });
}

/**
 * Returns the failure of a customer's vault whose challenge names another directory than the
 * registered one.
 */
export function vaultElsewhere(): ServiceError {
  const { code, detail, ...options } = ELSEWHERE;
  return new ServiceError(code, detail, options);
}

function meaningOf(foreign: ForeignError, call: VaultCall): Meaning {
  if (isAnotherServer(foreign)) return anotherServer;
  switch (foreign.status ?? 0) {
    case 400:
      return badRequest(call);
    case 401:
      return foreign.akv === WRONG_DIRECTORY ? ELSEWHERE : tokenRefused;
    case 403:
      return refusal(forbiddenAs(foreign, call), call);
    case 404:
      return refusal(absent, call);
    case 429:
      return {
        code: 'vault-throttled',
        detail: "The customer's vault is over its quota",
        retryAfter: foreign.retryAfter ?? BACK_OFF_SECONDS,
      };
    default:
      return outage(foreign.code);
  }
}

const ELSEWHERE: Meaning = {
  code: 'tenant-misconfigured',
  detail: "The vault belongs to another directory than the tenant's record says",
  reason: 'vault-elsewhere',
  scope: 'key',
  fix: { owner: 'vendor', action: "Correct entraTenantId or vaultUrl in the tenant's record" },
};

/**
 * Says nothing about the customer's will: vaults sometimes refuse valid tokens (AKV10046), and
 * Managed HSMs do so for hours when their clock is behind. A customer who withdraws access causes a
 * 403 or a refusal by Entra.
 */
const tokenRefused: Meaning = {
  code: 'vault-unavailable',
  detail: "The customer's vault does not accept the token that Entra issued",
  reason: TOKEN_REFUSED,
  fix: { owner: 'vendor', action: "Check the deployment's cloud and the machine's clock" },
  retryAfter: RETRY_SECONDS,
};

/** A proxy that inspects TLS may answer 403 itself, and private DNS may name another server. */
const anotherServer: Meaning = {
  code: 'vault-unavailable',
  detail: "Another server answered in place of the customer's vault",
  reason: 'another-server',
  fix: { owner: 'vendor', action: "Check the proxy between the service and the vault, and the vault's address in DNS" },
  retryAfter: RETRY_SECONDS,
};

const absent: Refusal = {
  reason: 'key-absent',
  detail: 'The vault does not have the key or the version',
  fix: ({ kek }) => recoverKey(kek),
};

const refusal = ({ reason, detail, fix }: Refusal, call: VaultCall): Meaning => ({
  code: 'access-revoked',
  detail,
  reason,
  scope: 'key',
  fix: fix(call),
});

/**
 * Returns the meaning of a 400. On unwrap it means that this key never wrapped these bytes; on
 * wrap, that the value does not fit the key. A read has no reason for one.
 */
function badRequest({ operation }: VaultCall): Meaning {
  if (operation === 'unwrapKey') return { code: 'undecryptable', detail: 'The ciphertext cannot be decrypted' };
  if (operation === 'getKey') return outage('');
  const errors = [{ pointer: '/value', detail: 'does not match the key and its algorithm' }];
  return { code: 'malformed-request', detail: 'The vault refused the value', errors };
}

const outage = (code: string): Meaning => ({
  code: 'vault-unavailable',
  detail: "The customer's vault is unreachable or failing",
  ...(code === 'ENOTFOUND' && {
    reason: 'vault-not-found',
    fix: {
      owner: 'resource-owner',
      action: "Check the vault's name, whether it was deleted, and its private DNS",
    } as const,
  }),
  retryAfter: RETRY_SECONDS,
});
