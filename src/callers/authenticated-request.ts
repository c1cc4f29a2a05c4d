import type { Principal } from './principal.ts';

/** One authenticated request, as operations see it. */
export interface AuthenticatedRequest {
  readonly principal: Principal;
  /** UUID of ours. */
  readonly requestId: string;
  /** The caller's own id of it. */
  readonly clientRequestId?: string | undefined;
}
