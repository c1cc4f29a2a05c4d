import type { ServiceError } from '../errors.ts';
import { DeadlineError } from './deadline.ts';

/**
 * The outcome of a remote call. `no-token`: the vault was not called, since the sign-in before it
 * failed. `home-rejected`: Entra rejected the vendor's own credential.
 */
export type CallOutcome = 'ok' | 'refused' | 'throttled' | 'unavailable' | 'timeout' | 'home-rejected' | 'no-token';

/**
 * Receives the outcome of every call to Azure and its duration in seconds, which includes a retry.
 */
export interface AzureObserver {
  vaultCall(operation: 'read' | 'wrap' | 'unwrap' | 'sign', outcome: CallOutcome, seconds: number): void;
  tokenRequest(outcome: CallOutcome, seconds: number): void;
}

/** Returns the call's result, after it reported the outcome; `outcomeOf` translates a failure. */
export async function withOutcome<T>(
  call: () => Promise<T>,
  outcomeOf: (error: unknown) => CallOutcome,
  tell: (outcome: CallOutcome, seconds: number) => void,
): Promise<T> {
  const startedAt = performance.now();
  const seconds = () => (performance.now() - startedAt) / 1_000;
  try {
    const answer = await call();
    tell('ok', seconds());
    return answer;
  } catch (error) {
    tell(outcomeOf(error), seconds());
    throw error;
  }
}

/**
 * Returns the outcome of a failed call to a customer's vault. A sign-in that failed before it says
 * nothing about the vault.
 */
export function vaultOutcome(failure: ServiceError): CallOutcome {
  const { code, scope } = failure;
  if (
    code === 'identity-unavailable' ||
    code === 'home-credential-rejected' ||
    scope === 'tenant' ||
    code === 'overloaded'
  )
    return 'no-token';
  if (code === 'vault-throttled') return 'throttled';
  return code === 'vault-unavailable' ? troubleOf(failure) : 'refused';
}

/** Returns the outcome of a failed token request. */
export function tokenOutcome(failure: ServiceError): CallOutcome {
  if (failure.code === 'home-credential-rejected') return 'home-rejected';
  return failure.code === 'identity-unavailable' || failure.code === 'vault-unavailable'
    ? troubleOf(failure)
    : 'refused';
}

function troubleOf({ reason, cause }: ServiceError): CallOutcome {
  if (reason === 'throttled') return 'throttled';
  return reason === 'timeout' || cause instanceof DeadlineError ? 'timeout' : 'unavailable';
}
