import type { UnauthenticatedReason } from '../../callers/verify-token.ts';

/**
 * None of them reveals whether a caller, a role or a tenant exists. They contain only facts that
 * the token's sender can see in it.
 */
const DETAILS: Readonly<Record<UnauthenticatedReason, string>> = {
  missing: 'The request has no bearer token: send `Authorization: Bearer TOKEN`',
  expired: 'The token has expired: get a new one',
  'not-yet-valid': "The token is not valid yet: compare the issuer's clock with the clock of this service",
  lifetime: 'The token has no expiry or is valid for more than 24 hours',
  audience: 'The token was issued for another audience',
  issuer: 'The issuer of the token is not configured in this service',
  subject: 'The token lacks the claim that names the caller',
  delegated: 'The token acts for a person, and the console of this service did not get it',
  signature: "The token is not an access token signed with its issuer's keys",
};
const details: Readonly<Record<string, string | undefined>> = DETAILS;

/** Returns the `detail` of a 401. */
export const unauthenticatedDetail = (reason = 'missing'): string => details[reason] ?? DETAILS.missing;

/** Returns the value of `WWW-Authenticate` (RFC 6750 §3.1). */
export const challengeOf = (reason = 'missing'): string =>
  reason === 'missing' ? 'Bearer' : `Bearer error="invalid_token", error_description="${reason}"`;
