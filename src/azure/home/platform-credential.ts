import type { TokenCredential } from '@azure/core-auth';
import { DefaultAzureCredential, ManagedIdentityCredential } from '@azure/identity';
import { ServiceError } from '../../errors.ts';
import { defined } from '../../lib/defined.ts';
import { readForeignError } from '../foreign-error.ts';
import { sdkClientOptions } from '../sdk-http.ts';

export interface PlatformIdentity {
  readonly identity: 'default' | 'managed-identity';
  readonly managedIdentityClientId?: string | undefined;
  readonly authorityHost: string;
  /** Deadline of one request for a token. */
  readonly deadlineMs: number;
}

/**
 * Returns the identity of this machine, which signs in to the home vault. It holds no secret of
 * ours. Its failures are translated here, so that a missing identity is not mistaken for a refusal
 * by the vault for which the token was requested.
 */
export function platformCredential(options: PlatformIdentity): TokenCredential {
  const credential = sdkCredential(options);
  let hasGivenTokens = false;
  return {
    async getToken(scopes, request) {
      try {
        const token = await credential.getToken(scopes, request);
        if (!token) throw noIdentity();
        hasGivenTokens = true;
        return token;
      } catch (error) {
        throw platformFailure(error, hasGivenTokens);
      }
    },
  };
}

function sdkCredential(options: PlatformIdentity): TokenCredential {
  const { identity, managedIdentityClientId, authorityHost, deadlineMs } = options;
  const shared = sdkClientOptions({ timeoutMs: deadlineMs });
  if (identity === 'managed-identity') {
    return new ManagedIdentityCredential({ ...shared, ...defined({ clientId: managedIdentityClientId }) });
  }
  return new DefaultAzureCredential({
    ...shared,
    authorityHost,
    processTimeoutInMs: deadlineMs,
    ...defined({ managedIdentityClientId }),
  });
}

/**
 * Returns the failure. The SDK reports every failure of a managed identity as a missing one. An
 * endpoint that throttles or fails is an outage, and so is one that no longer answers after it once
 * gave a token.
 */
function platformFailure(error: unknown, hasGivenTokens: boolean): ServiceError {
  if (error instanceof ServiceError) return error;
  const { status, code } = readForeignError(error);
  const isNetwork = status === undefined && (code === 'network_error' || code.startsWith('E'));
  const isOutage = status === 429 || (status ?? 0) >= 500 || (hasGivenTokens && isNetwork);
  return isOutage ? identityOutage(error) : noIdentity(error);
}

const identityOutage = (cause: unknown): ServiceError =>
  new ServiceError('identity-unavailable', "The endpoint of this machine's identity does not answer", {
    reason: 'platform-identity',
    retryAfter: 5,
    cause,
  });

const noIdentity = (cause?: unknown): ServiceError =>
  new ServiceError('home-credential-rejected', 'This machine has no identity that can get tokens', {
    reason: 'no-platform-identity',
    retryAfter: 10,
    fix: {
      owner: 'vendor',
      action:
        'Give the machine a managed identity, or sign in with the Azure CLI for a trial; a user-assigned identity is named by home.managedIdentityClientId and must be assigned to the machine',
    },
    cause,
  });
