import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import type { Overview } from '../../api/types.ts';
import { useApi } from '../../app/context.ts';
import { Failure } from '../../parts/failure.tsx';
import { Loading } from '../../parts/loading.tsx';
import { PageTitle } from '../../parts/page-title.tsx';
import { REFRESH_MS } from '../../parts/refresh.ts';
import { Counts } from './counts.tsx';
import { Figures } from './figures.tsx';
import { TenantTable } from './tenant-table.tsx';

export default function OverviewPage(): ReactNode {
  const api = useApi();
  const overview = useQuery({
    queryKey: ['overview'],
    queryFn: ({ signal }) => api.json<Overview>('/overview', { signal }),
    refetchInterval: REFRESH_MS,
  });
  return (
    <>
      <PageTitle>Overview</PageTitle>
      {overview.isPending && <Loading what="the overview" />}
      {overview.isError && <Failure error={overview.error} onRetry={overview.refetch} />}
      {overview.data && <Counts overview={overview.data} />}
      <TenantTable />
      {overview.data?.process && <Figures figures={overview.data.process} />}
    </>
  );
}
