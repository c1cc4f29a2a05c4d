/** Claim of a token that names the caller. */
export type SubjectClaim = 'azp' | 'appid' | 'sub';

/** One issuer of callers' tokens, as configured. */
export interface CallerIssuer {
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly jwksUrl?: string | undefined;
  readonly rolesClaim: string;
  /** By default the one that belongs to the form of the token's issuer. */
  readonly subjectClaim?: SubjectClaim | undefined;
  /** Tenants by subject, `*` for all. Where it is given, a subject that isn't listed may name none. */
  readonly limits?: Readonly<Record<string, readonly string[]>> | undefined;
}
