import { type FieldError, ServiceError } from '../errors.ts';
import { RecentValues } from './recent-values.ts';

/**
 * What a caller claims about its access to data: for whom, why, and a label of its own. The
 * principal is authenticated; these are only its word.
 */
export interface AccessClaims {
  readonly subject?: string;
  readonly reason?: string;
  readonly label?: string;
}

export type AccessClaim = keyof AccessClaims;

export const ACCESS_HEADERS: Readonly<Record<AccessClaim, string>> = {
  subject: 'Access-Subject',
  reason: 'Access-Reason',
  label: 'Access-Label',
};

/**
 * Decoded texts by their headers: callers repeat them, and a look-up takes a third of the time. They
 * can name persons, so they are forgotten soon.
 */
const decodedTexts = new RecentValues<string>({ max: 512, keptMs: 60_000 });

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** A header that was sent twice arrives joined by a comma and a space, which this refuses. */
const VISIBLE_ASCII = /^[\x21-\x7e]{1,256}$/;
/** Characters that could forge a line or the order of the text where a record is shown. */
const HIDDEN = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

/**
 * Returns the claims in the headers, decoded; undefined without any, which costs three look-ups.
 * @throws ServiceError `malformed-request`
 */
export function accessClaimsOf(headers: Headers): AccessClaims | undefined {
  const subject = headers['access-subject'];
  const reason = headers['access-reason'];
  const label = headers['access-label'];
  if (subject === undefined && reason === undefined && label === undefined) return undefined;
  const claims: { -readonly [Claim in AccessClaim]?: string } = {};
  if (subject !== undefined) claims.subject = decoded('subject', subject);
  if (reason !== undefined) claims.reason = decoded('reason', reason);
  if (label !== undefined) claims.label = decoded('label', label);
  return claims;
}

/**
 * Returns a claim as a header sends it.
 * @throws ServiceError `malformed-request` for a claim that no header may carry
 */
export function encodeAccessClaim(claim: AccessClaim, text: string): string {
  if (!text.isWellFormed()) throw malformed([problemOf(claim, 'must be Unicode text')]);
  const encoded = text.replace(/[^\x21-\x24\x26-\x7e]/gu, encodeURIComponent);
  decoded(claim, encoded);
  return encoded;
}

/** Returns the refusal of a call without claims that the tenant's record or policy requires. */
export const accessRequired = (missing: readonly AccessClaim[]): ServiceError =>
  malformed(missing.map((claim) => problemOf(claim, "is required by the tenant's record")));

function decoded(claim: AccessClaim, value: string | readonly string[]): string {
  const known = typeof value === 'string' ? decodedTexts.get(value) : undefined;
  if (known !== undefined) return known;
  if (typeof value !== 'string' || !VISIBLE_ASCII.test(value)) {
    const detail = 'must be one header of 1 to 256 visible ASCII characters; percent-encode others as UTF-8';
    throw malformed([problemOf(claim, detail)]);
  }
  if (!value.includes('%')) return value;
  const text = decodedPercents(value);
  if (text === undefined) throw malformed([problemOf(claim, 'is not valid percent-encoded UTF-8')]);
  if (HIDDEN.test(text)) throw malformed([problemOf(claim, 'must have no control characters')]);
  decodedTexts.keep(value, text);
  return text;
}

function decodedPercents(value: string): string | undefined {
  try {
    return decodeURIComponent(value);
  } catch {
    return undefined;
  }
}

const problemOf = (claim: AccessClaim, detail: string): FieldError => ({
  pointer: `/header/${ACCESS_HEADERS[claim]}`,
  detail,
});

const malformed = (errors: readonly FieldError[]): ServiceError =>
  new ServiceError('malformed-request', 'The headers about the access are not usable', { errors });
