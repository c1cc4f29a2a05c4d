/** Roles of the API. The service decides; the console only leaves out what would be refused. */
export type Role = 'Data.Encrypt' | 'Data.Decrypt' | 'Tenants.Read' | 'Tenants.Manage' | 'Audit.Read';

export type Roles = ReadonlySet<string>;

/** Returns the roles in an access token, and none if the token is opaque or has none. */
export function rolesOf(accessToken: string): Roles {
  const payload = accessToken.split('.')[1];
  if (payload === undefined) return new Set();
  try {
    const bytes = Uint8Array.fromBase64(payload, { alphabet: 'base64url' });
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    const roles = typeof claims === 'object' && claims !== null && 'roles' in claims ? claims.roles : undefined;
    return new Set(Array.isArray(roles) ? roles.filter((role) => typeof role === 'string') : []);
  } catch {
    return new Set();
  }
}
