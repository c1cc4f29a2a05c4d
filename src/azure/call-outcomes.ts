import type { ServiceError } from '../errors.ts';
import { DeadlineError } from './deadline.ts';

/**
 * How a remote call ended. `no-token`: a vault was not asked, since the sign-in before it failed. `home-rejected`: the vendor's own
 * credential is refused.
 */
export type CallOutcome = 'ok' | 'refused' | 'throttled' | 'unavailable' | 'timeout' | 'home-rejected' | 'no-token';

/** Told of every call to Azure, with its duration in seconds, the one retry that it may have had included. */
export interface AzureObserver {
  vaultCall(operation: 'read' | 'wrap' | 'unwrap' | 'sign', outcome: CallOutcome, seconds: number): void;
  tokenRequest(outcome: CallOutcome, seconds: number): void;
}

/** Runs a call and tells how it ended; `outcomeOf` says what a failure of it means. */
export async function observed<T>(
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

/** Of a call to a customer's vault: a sign-in that failed on the way is not the vault's doing. */
export function vaultOutcome(failure: ServiceError): CallOutcome {
  const { code, scope } = failure;
  if (code === 'identity-unavailable' || code === 'home-credential-rejected' || scope === 'tenant') return 'no-token';
  if (code === 'vault-throttled') return 'throttled';
  return code === 'vault-unavailable' ? troubleOf(failure) : 'refused';
}

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
