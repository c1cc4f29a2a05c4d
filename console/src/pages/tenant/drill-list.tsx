import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import { tenantPath } from '../../api/paths.ts';
import type { DrillList as DrillListAnswer } from '../../api/types.ts';
import { useApi } from '../../app/context.ts';
import { Badge, moodOf } from '../../parts/badge.tsx';
import { Failure } from '../../parts/failure.tsx';
import { Loading } from '../../parts/loading.tsx';
import { TableFrame } from '../../parts/table-frame.tsx';
import { Time } from '../../parts/time.tsx';
import type { SectionProps } from './tenant-page.tsx';

/** The drills that the service keeps, each a link to its report. */
export function DrillList({ tenant }: SectionProps): ReactNode {
  const api = useApi();
  const drills = useQuery({
    queryKey: ['drills', tenant.id],
    queryFn: ({ signal }) => api.json<DrillListAnswer>(tenantPath(tenant.id, '/drills'), { signal }),
    staleTime: 0,
  });
  return (
    <>
      <h3>Drills until now</h3>
      {drills.isPending && <Loading what="the drills" />}
      {drills.isError && <Failure error={drills.error} onRetry={drills.refetch} />}
      {drills.data?.drills.length === 0 && <p className="quiet">There has been no drill.</p>}
      {drills.data && drills.data.drills.length > 0 && (
        <>
          <Rows tenantId={tenant.id} drills={drills.data.drills} />
          <p className="quiet">The last 20 are kept.</p>
        </>
      )}
    </>
  );
}

const Rows = ({ tenantId, drills }: { tenantId: string; drills: DrillListAnswer['drills'] }): ReactNode => (
  <TableFrame label="Drills">
    <thead>
      <tr>
        <th scope="col">Started</th>
        <th scope="col">State</th>
        <th scope="col">Bound</th>
        <th scope="col">Verdict</th>
        <th scope="col">Ended</th>
        <th scope="col">By</th>
      </tr>
    </thead>
    <tbody>
      {drills.map(({ drillId, startedAt, state, boundSeconds, verdict, endedAt, startedBy }) => (
        <tr key={drillId}>
          <th scope="row">
            <Link to={`/tenants/${encodeURIComponent(tenantId)}/drill/${drillId}`}>
              <Time at={startedAt} />
            </Link>
          </th>
          <td>
            <Badge mood={moodOf(state)}>{state}</Badge>
          </td>
          <td className="number">{boundSeconds} s</td>
          <td>{state === 'running' ? '–' : <Badge mood={moodOf(verdict)}>{verdict}</Badge>}</td>
          <td>
            <Time at={endedAt} />
          </td>
          <td className="break caller">{startedBy.slice(startedBy.lastIndexOf('#') + 1)}</td>
        </tr>
      ))}
    </tbody>
  </TableFrame>
);
