import type { Cloud } from '../cloud.ts';
import type { TokenSigner } from '../entra/access-tokens.ts';
import type { Exchange } from '../exchange.ts';
import type { Site } from '../listener.ts';
import type { Reply } from '../reply.ts';
import type { Log } from '../request-log.ts';
import type { VaultState } from '../state.ts';
import { type AuditEventRow, auditOf } from './audit-log.ts';
import { assertAllowed } from './vault-access.ts';
import { hasToken, unauthorized, vaultAuthentication } from './vault-authentication.ts';
import { badParameter, forbidden, VaultRefusal, vaultErrorReply } from './vault-refusal.ts';
import { findRoute } from './vault-routes.ts';

export function vaultSite(cloud: Cloud, signer: TokenSigner, vault: VaultState, auditLog: Log<AuditEventRow>): Site {
  const authenticate = vaultAuthentication(cloud, signer, vault);
  const assertWithinLimit = rateLimit(cloud, vault);

  // The token is checked first, and no body is read before that: clients get the challenge in this
  // way.
  const handle = async (exchange: Exchange): Promise<Reply> => {
    const caller = await authenticate(exchange);
    if (vault.isFirewalled)
      throw forbidden('ForbiddenByFirewall', 'Client address is not authorized by the network rules.');
    assertWithinLimit();
    const match = findRoute(exchange.method, exchange.segments);
    if (match === undefined) throw new VaultRefusal(404, 'NotFound', 'The emulated Key Vault has no such operation.');
    if (!exchange.query.has('api-version')) throw badParameter('api-version must be specified');
    const { route, name, version } = match;
    const item = name === '' ? undefined : name;
    assertAllowed(cloud, vault, { ...caller, area: route.area, permission: route.permission, item });
    return route.handler({ cloud, vault, exchange, name, version });
  };

  return {
    at: vault.name,
    requestIdHeader: 'x-ms-client-request-id',
    isRefusing: () => vault.isDeleted,
    onAnswer: auditOf(cloud, vault, auditLog),
    operationOf: (exchange) =>
      hasToken(exchange) ? (findRoute(exchange.method, exchange.segments)?.route.operation ?? 'unknown') : 'challenge',
    handle: async (exchange) => {
      try {
        return await handle(exchange);
      } catch (error) {
        if (!(error instanceof VaultRefusal)) throw error;
        exchange.errorCode = error.inner ?? error.code;
        return vaultErrorReply(error);
      }
    },
    // Key Vault answers Forbidden with the reason in `innererror`.
    failure: (status, code, message) => {
      if (status === 401)
        return vaultErrorReply(unauthorized(cloud, vault, akvMessage(code, message), 'invalid_token'));
      return vaultErrorReply(status === 403 ? forbidden(code, message) : new VaultRefusal(status, code, message));
    },
  };
}

/**
 * Texts of Key Vault's 401; only the message has its codes. AKV10046 occurred for tokens that were
 * accepted a second later.
 */
const AKV_TEXTS: Readonly<Record<string, string>> = {
  AKV10022: 'Invalid audience.',
  AKV10046: 'Unable to resolve the key used for signature validation.',
};

const akvMessage = (code: string, message: string): string => `${code}: ${AKV_TEXTS[code] ?? message}`;

/** Returns a rate limit that counts operations in whole seconds, the simplest quota. */
function rateLimit(cloud: Cloud, vault: VaultState): () => void {
  let second = 0;
  let count = 0;
  return () => {
    if (vault.operationsPerSecond === 0) return;
    const current = Math.floor(cloud.now() / 1000);
    count = current === second ? count + 1 : 1;
    second = current;
    if (count <= vault.operationsPerSecond) return;
    throw new VaultRefusal(429, 'Throttled', 'The vault has had too many requests; try again later.', {
      ...(vault.retryAfterSeconds !== undefined && { headers: { 'retry-after': String(vault.retryAfterSeconds) } }),
    });
  };
}
