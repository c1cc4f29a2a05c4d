import { type QueryClient, type UseQueryResult, useQuery } from '@tanstack/react-query';
import { tenantPath } from '../../api/paths.ts';
import type { Tenant } from '../../api/types.ts';
import { useApi } from '../../app/context.ts';
import { REFRESH_MS } from '../../parts/refresh.ts';

export const keyOf = (tenantId: string): readonly string[] => ['tenant', tenantId];

/** Returns the current record, shared by the parts of the page. */
export function useTenant(tenantId: string): UseQueryResult<Tenant> {
  const api = useApi();
  return useQuery({
    queryKey: keyOf(tenantId),
    queryFn: ({ signal }) => api.json<Tenant>(tenantPath(tenantId), { signal }),
    refetchInterval: REFRESH_MS,
  });
}

/** Marks everything shown about a tenant as old, after a change. */
export async function refreshTenant(client: QueryClient, tenantId: string): Promise<void> {
  await Promise.all([
    client.invalidateQueries({ queryKey: keyOf(tenantId) }),
    client.invalidateQueries({ queryKey: ['tenants'] }),
    client.invalidateQueries({ queryKey: ['overview'] }),
  ]);
}
