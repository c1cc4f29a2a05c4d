export interface EntraError {
  readonly status: number;
  readonly error: string;
  readonly text: (subject: string) => string;
  /** Conditional Access adds a `suberror` and the claims that a sign-in would have to carry. */
  readonly isConditionalAccess?: boolean;
}

/** The refusals of sign-ins of people. */
export const userErrors = {
  50011: {
    status: 400,
    error: 'invalid_request',
    text: (uri) => `The redirect URI '${uri}' does not match the redirect URIs configured for the application.`,
  },
  50058: {
    status: 400,
    error: 'login_required',
    text: () => 'A silent sign-in request was sent but no user is signed in.',
  },
  54005: { status: 400, error: 'invalid_grant', text: () => 'The authorization code was already redeemed.' },
  65004: { status: 400, error: 'access_denied', text: () => 'User declined to consent to access the app.' },
  70000: { status: 400, error: 'invalid_grant', text: () => 'The provided grant is invalid.' },
  70008: { status: 400, error: 'invalid_grant', text: () => 'The provided authorization code has expired.' },
  90014: { status: 400, error: 'invalid_request', text: (name) => `The required field '${name}' is missing or wrong.` },
  500112: {
    status: 400,
    error: 'invalid_grant',
    text: () => 'The reply address does not match the one provided when requesting the authorization code.',
  },
  501481: {
    status: 400,
    error: 'invalid_grant',
    text: () => 'The Code_Verifier does not match the code_challenge supplied in the authorization request.',
  },
  650053: {
    status: 400,
    error: 'invalid_client',
    text: (scope) => `The application asked for scope '${scope}' that does not exist on the resource.`,
  },
  700051: {
    status: 400,
    error: 'unsupported_response_type',
    text: (type) => `The response_type '${type}' is not enabled for the application.`,
  },
  700084: {
    status: 400,
    error: 'invalid_grant',
    text: () =>
      'The refresh token was issued to a single page app (SPA), and therefore has a fixed, limited lifetime of 1.00:00:00, which can not be extended.',
  },
  9002325: {
    status: 400,
    error: 'invalid_request',
    text: () => 'Proof Key for Code Exchange is required for cross-origin authorization code redemption.',
  },
  9002326: {
    status: 400,
    error: 'invalid_request',
    text: () => "Cross-origin token redemption is permitted only for the origins of the 'Single-Page Application'.",
  },
  9002327: {
    status: 400,
    error: 'invalid_request',
    text: () =>
      "Tokens issued for the 'Single-Page Application' client-type may only be redeemed via cross-origin requests.",
  },
} satisfies Record<number, EntraError>;
