/** Claim of a token that identifies the caller. */
export type SubjectClaim = 'azp' | 'appid' | 'sub';

/** One issuer of callers' tokens, as configured. */
export interface CallerIssuer {
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly jwksUrl?: string | undefined;
  readonly rolesClaim: string;
  /** Default: the claim that belongs to the form of the token's issuer. */
  readonly subjectClaim?: SubjectClaim | undefined;
  /**
   * Tenants by subject, `*` for all. If present, a subject that is not listed may name no tenant.
   */
  readonly limits?: Readonly<Record<string, readonly string[]>> | undefined;
}
