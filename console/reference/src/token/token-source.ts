/** Where the token of a call comes from. It is in this page's memory, or in the sign-in's tab. */
export interface TokenSource {
  /** What the page says about it; undefined: there is none. */
  readonly name: string | undefined;
  /** Returns the token; empty: there is none. */
  readonly get: () => Promise<string>;
}

export const NO_TOKEN: TokenSource = { name: undefined, get: async () => '' };

/** Returns the source of a token that a person has pasted. */
export function pastedToken(text: string): TokenSource {
  const token = text.trim().replace(/^Bearer\s+/i, '');
  return token === '' ? NO_TOKEN : { name: `Token ${describe(token)}`, get: async () => token };
}

/** Returns what the token says about itself: its roles and its end. The service alone decides. */
function describe(token: string): string {
  const { roles, exp } = claimsOf(token);
  const named =
    Array.isArray(roles) && roles.length > 0
      ? `with ${roles.length === 1 ? String(roles[0]) : `${roles.length} roles`}`
      : '';
  const until = typeof exp === 'number' ? `until ${new Date(exp * 1_000).toLocaleTimeString()}` : '';
  return [named, until].filter((part) => part !== '').join(' ') || 'pasted';
}

function claimsOf(token: string): { readonly roles?: unknown; readonly exp?: unknown } {
  try {
    const bytes = Uint8Array.fromBase64(token.split('.')[1] ?? '', { alphabet: 'base64url' });
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof claims === 'object' && claims !== null ? claims : {};
  } catch {
    return {};
  }
}
