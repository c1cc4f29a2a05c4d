import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import type { TenantList } from '../../api/types.ts';
import { useApi } from '../../app/context.ts';
import { Failure } from '../../parts/failure.tsx';
import { Loading } from '../../parts/loading.tsx';
import { PageTitle } from '../../parts/page-title.tsx';

export default function OverviewPage(): ReactNode {
  const api = useApi();
  const tenants = useQuery({
    queryKey: ['tenants'],
    queryFn: ({ signal }) => api.json<TenantList>('/tenants', { signal }),
  });
  return (
    <>
      <PageTitle>Tenants</PageTitle>
      {tenants.isPending && <Loading what="the tenants" />}
      {tenants.isError && <Failure error={tenants.error} onRetry={tenants.refetch} />}
      {tenants.data && (
        <ul>
          {tenants.data.tenants.map(({ id, displayName }) => (
            <li key={id} className="break">
              {id} {displayName}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
