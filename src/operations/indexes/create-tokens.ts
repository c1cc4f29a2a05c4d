import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { indexToken } from '../../format/index-key.ts';
import type { OpenedIndexKey } from '../../keyring/indexes/opened-index-keys.ts';
import type { Tenant } from '../../tenants/record.ts';
import type { SliceDeps } from '../batch.ts';
import { type GrantDeps, openGrant, underGrant } from '../granted-tenant.ts';
import { assertTogether, eachValue } from './each-value.ts';
import { indexOf } from './index-of.ts';
import { type IndexUseDeps, recordIndexUse, useOf } from './record-index-use.ts';

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
  const { uses, ...tokens } = await underGrant(grant, (tenant) => tokensOf(deps, request, tenant, name, values));
  const facts = { operation: 'index-tokens', tenantId, index: name, values: values.length, bytes };
  await recordIndexUse(deps, request, facts, uses);
  return tokens;
}

async function tokensOf(
  deps: CreateTokensDeps,
  { access }: AuthenticatedRequest,
  tenant: Tenant,
  name: string,
  values: readonly Buffer[],
) {
  indexOf(tenant, name);
  const indexes = deps.indexKeys.indexesOf(tenant);
  const { writing, searched } = await indexes.forLookUp(name);
  const uses = useOf(deps, tenant, searched, { operation: 'index', access }, writing);
  const search: VersionTokens[] = [];
  for (const key of searched) search.push({ version: key.version, tokens: await under(deps, key, values) });
  const write = search[searched.indexOf(writing)];
  if (!write) throw new Error('the writing version is not searched');
  indexes.deps.counts.indexValues.tokens += values.length;
  return { write, search, uses };
}

const under = (deps: SliceDeps, { key, bits, normalize }: OpenedIndexKey, values: readonly Buffer[]) =>
  eachValue(deps, values, (value) => indexToken(key, bits, normalize, value));
