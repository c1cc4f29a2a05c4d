import { type Cloud, epochSeconds, VAULT_RESOURCE } from '../cloud.ts';
import { claimsOf, type TokenSigner } from '../entra/access-tokens.ts';
import type { Exchange } from '../exchange.ts';
import type { VaultState } from '../state.ts';
import { VaultRefusal } from './vault-refusal.ts';

const MAX_REMEMBERED = 1000;

interface VaultCaller {
  readonly appId: string;
  readonly objectId: string;
}

interface VerifiedToken extends VaultCaller {
  readonly tenantId: string;
  readonly issuer: string;
  readonly audience: string;
  readonly notBefore: number;
  readonly expires: number;
}

export type Authenticate = (exchange: Exchange) => Promise<VaultCaller>;

export const hasToken = ({ headers }: Exchange): boolean => headers.authorization !== undefined;

/**
 * Returns the token check of one vault. A verified signature is cached; times and other claims are
 * checked with each request.
 */
export function vaultAuthentication(cloud: Cloud, signer: TokenSigner, vault: VaultState): Authenticate {
  const verified = new Map<string, VerifiedToken>();

  return async (exchange) => {
    const { authorization } = exchange.headers;
    if (authorization === undefined) throw challenge('AKV10000: Request is missing a Bearer or PoP token.');
    const token = /^Bearer (\S+)$/i.exec(authorization)?.[1] ?? '';
    const known = verified.get(token) ?? (await verify(token));
    exchange.tenantId = known.tenantId;
    exchange.appId = known.appId;
    check(known);
    return known;
  };

  async function verify(token: string): Promise<VerifiedToken> {
    const claims = await claimsOf(signer, token);
    if (claims === undefined)
      throw challenge('AKV10020: The token is malformed, or its signature is not valid.', 'invalid_token');
    const text = (name: string): string => (typeof claims[name] === 'string' ? claims[name] : '');
    const known: VerifiedToken = {
      appId: text('appid') || text('azp'),
      objectId: text('oid'),
      tenantId: text('tid'),
      issuer: text('iss'),
      audience: text('aud'),
      notBefore: claims.nbf ?? 0,
      expires: claims.exp ?? 0,
    };
    const [oldest] = verified.keys();
    if (verified.size >= MAX_REMEMBERED && oldest !== undefined) verified.delete(oldest);
    verified.set(token, known);
    return known;
  }

  function check(token: VerifiedToken): void {
    const now = epochSeconds(cloud);
    if (token.expires <= now) throw challenge('[TokenExpired] The token has expired.', 'invalid_token');
    if (token.notBefore > now) throw challenge('[TokenNotYetValid] The token is not valid yet.', 'invalid_token');
    if (token.audience !== VAULT_RESOURCE[vault.kind]) {
      throw challenge(
        `AKV10022: Invalid audience. Expected ${VAULT_RESOURCE[vault.kind]}, found: ${token.audience}.`,
        'invalid_token',
      );
    }
    const expectedIssuer = `${cloud.authorityHost()}/${vault.tenantId}/`;
    if (token.tenantId !== vault.tenantId || token.issuer !== expectedIssuer) {
      throw challenge(
        `AKV10032: Invalid issuer. Expected one of ${expectedIssuer}, found ${token.issuer}.`,
        'invalid_token',
      );
    }
  }

  function challenge(message: string, error?: string): VaultRefusal {
    return unauthorized(cloud, vault, message, error);
  }
}

/** Returns a 401; a Managed HSM's has no body. */
export function unauthorized(cloud: Cloud, vault: VaultState, message: string, error?: string): VaultRefusal {
  const authorization = `${cloud.authorityHost()}/${vault.tenantId}`;
  const reason = error === undefined ? '' : `, error="${error}"`;
  return new VaultRefusal(401, 'Unauthorized', message, {
    isBodiless: vault.kind === 'hsm',
    headers: {
      'www-authenticate': `Bearer authorization="${authorization}", resource="${VAULT_RESOURCE[vault.kind]}"${reason}`,
    },
  });
}
