import type { AccessClaims } from './access-claims.ts';
import type { Principal } from './principal.ts';

/** One authenticated request, as operations see it. */
export interface AuthenticatedRequest {
  readonly principal: Principal;
  /** Our own UUID. */
  readonly requestId: string;
  /** The caller's own id of the request. */
  readonly clientRequestId?: string | undefined;
  /** Only of calls on data, if it has such headers. */
  readonly access?: AccessClaims | undefined;
}
