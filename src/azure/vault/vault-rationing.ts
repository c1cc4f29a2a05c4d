import { ServiceError } from '../../errors.ts';

/**
 * The reason that we do not call a vault: our budget for it, a pause after its 429, no recent
 * answer from it, or too many concurrent calls.
 */
export type Rationing = 'budget' | 'back-off' | 'breaker' | 'busy';

const REFUSALS = {
  budget: ['vault-throttled', "The service's budget for calls to the customer's vault is used up at the moment"],
  'back-off': ['vault-throttled', "The customer's vault was over its quota a moment ago, and calls to it are paused"],
  breaker: ['vault-unavailable', "The customer's vault has not answered recently, and calls to it are paused"],
  busy: ['vault-unavailable', "Too many calls to the customer's vault are under way"],
} as const;

/**
 * Returns the refusal of a call that was never made. None of these says anything about access.
 * `waitMs` is the time until a retry makes sense.
 */
export function refusedByUs(rationing: Rationing, waitMs: number): ServiceError {
  const [code, detail] = REFUSALS[rationing];
  return new ServiceError(code, detail, { reason: rationing, retryAfter: Math.max(1, Math.ceil(waitMs / 1_000)) });
}
