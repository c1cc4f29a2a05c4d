import type { IncomingMessage } from 'node:http';
import type { Principal } from '../../callers/principal.ts';
import { unauthenticated, type VerifyToken } from '../../callers/verify-token.ts';
import type { Soon } from '../../lib/when-ready.ts';

/** RFC 9110 §11.4: the scheme in any case, one or more spaces, and the token. */
const BEARER = /^bearer +(?=[^ ])/i;

/**
 * Returns the principal of a request's bearer token (RFC 6750 §2.1).
 * @throws ServiceError `unauthenticated`, `identity-unavailable`
 */
export function authenticate(req: IncomingMessage, verifyToken: VerifyToken): Soon<Principal> {
  const { authorization = '' } = req.headers;
  const scheme = BEARER.exec(authorization);
  if (!scheme) throw unauthenticated('missing');
  return verifyToken(authorization.slice(scheme[0].length));
}
