import type { JWTPayload } from 'jose';

/** The console's registration, the one app that may call as a person. */
export interface DelegatedClient {
  readonly clientId: string;
  /** The delegated permission that its tokens must have. */
  readonly scope: string;
}

/** Entra gives `scp` to tokens of people, and to no token of an app. */
export const isDelegated = ({ scp }: JWTPayload): boolean => scp !== undefined;

/**
 * Returns the person whom a delegated token of Entra names; undefined unless the console got it for
 * the permission. Without this check, every app that a person ever signed in to could call with
 * that person's roles.
 */
export function personOf(claims: JWTPayload, client: DelegatedClient | undefined): string | undefined {
  const { azp, appid, scp, oid } = claims;
  const isOfConsole = client !== undefined && (azp ?? appid) === client.clientId;
  if (!isOfConsole || typeof scp !== 'string' || !scp.split(' ').includes(client.scope)) return undefined;
  return typeof oid === 'string' && oid !== '' ? oid : undefined;
}
