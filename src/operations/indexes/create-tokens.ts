import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { indexToken } from '../../format/index-key.ts';
import { type GrantDeps, openGrant, underGrant } from '../granted-tenant.ts';
import { assertTogether } from './each-value.ts';
import { lookUp, type OfVersion } from './look-up.ts';
import { type IndexUseDeps, recordIndexUse } from './record-index-use.ts';

export interface CreateTokensDeps extends IndexUseDeps, GrantDeps {}

export interface CreateTokensInput {
  readonly tenantId: string;
  /** Of the index. */
  readonly name: string;
  readonly values: readonly Buffer[];
}

/** The tokens of each value under one version. */
interface VersionTokens {
  readonly version: number;
  readonly tokens: readonly string[];
}

export interface IndexTokens {
  /** To store with new rows. */
  readonly write: VersionTokens;
  /** To search with: a row may have the token of any of them. */
  readonly search: readonly VersionTokens[];
}

/**
 * Returns look-up tokens of values: equal values of an index have equal tokens.
 * @throws ServiceError
 */
export async function createTokens(
  deps: CreateTokensDeps,
  request: AuthenticatedRequest,
  { tenantId, name, values }: CreateTokensInput,
): Promise<IndexTokens> {
  const grant = await openGrant(deps, request, 'Data.Index', tenantId);
  const bytes = assertTogether(values, deps.maxPlaintextBytes);
  const { write, search, uses } = await underGrant(grant, (tenant) =>
    lookUp(deps, {
      tenant,
      name,
      values,
      about: { operation: 'index', access: request.access },
      countedAs: 'tokens',
      make: ({ key, bits, normalize }, value) => indexToken(key, bits, normalize, value),
    }),
  );
  const facts = { operation: 'index-tokens', tenantId, index: name, values: values.length, bytes };
  await recordIndexUse(deps, request, facts, uses);
  return { write: tokensOf(write), search: search.map(tokensOf) };
}

const tokensOf = ({ version, made }: OfVersion): VersionTokens => ({
  version,
  tokens: made,
});
