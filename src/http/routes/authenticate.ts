import type { IncomingMessage } from 'node:http';
import type { Principal } from '../../callers/principal.ts';
import { unauthenticated, type VerifyToken } from '../../callers/verify-token.ts';

const SCHEME = 'bearer ';

/** The bearer token of a request (RFC 6750 §2.1) as its principal. @throws ServiceError `unauthenticated`, `identity-unavailable` */
export async function authenticate(req: IncomingMessage, verifyToken: VerifyToken): Promise<Principal> {
  const { authorization } = req.headers;
  if (authorization === undefined || authorization.slice(0, SCHEME.length).toLowerCase() !== SCHEME) {
    throw unauthenticated('missing');
  }
  return verifyToken(authorization.slice(SCHEME.length));
}
