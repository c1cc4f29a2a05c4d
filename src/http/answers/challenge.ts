import type { UnauthenticatedReason } from '../../callers/verify-token.ts';

/**
 * None of them reveals whether a caller, a role or a tenant exists. They contain only facts that
 * the token's sender can see in it.
 */
const DETAILS: Readonly<Record<UnauthenticatedReason, string>> = {
  missing: 'The request has no bearer token: send `Authorization: Bearer TOKEN`',
  expired: 'The token has expired: get a new one',
  'not-yet-valid': 'The token is not valid yet: compare the clock of the issuer with that of this service',
  lifetime: 'The token is valid for too long, or does not say until when: one day at most',
  audience: 'The token was issued for another audience',
  issuer: 'The token was issued by an issuer that this service is not configured for',
  subject: 'The token lacks the claim that names the caller',
  signature: "The token is not an access token that its issuer's keys verify",
};
const details: Readonly<Record<string, string | undefined>> = DETAILS;

/** Returns the `detail` of a 401. */
export const unauthenticatedDetail = (reason = 'missing'): string => details[reason] ?? DETAILS.missing;

/** Returns the value of `WWW-Authenticate` (RFC 6750 §3.1). */
export const challengeOf = (reason = 'missing'): string =>
  reason === 'missing' ? 'Bearer' : `Bearer error="invalid_token", error_description="${reason}"`;
