import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { tenantPath } from '../../api/paths.ts';
import type { TenantHistory } from '../../api/types.ts';
import { useApi } from '../../app/context.ts';
import { Badge, moodOf } from '../../parts/badge.tsx';
import { Failure } from '../../parts/failure.tsx';
import { Loading } from '../../parts/loading.tsx';
import { TableFrame } from '../../parts/table-frame.tsx';
import { Time } from '../../parts/time.tsx';
import type { SectionProps } from './tenant-page.tsx';

export default function HistorySection({ tenant }: SectionProps): ReactNode {
  const api = useApi();
  const history = useQuery({
    queryKey: ['tenant', tenant.id, 'history'],
    queryFn: ({ signal }) => api.json<TenantHistory>(tenantPath(tenant.id, '/history'), { signal }),
  });
  return (
    <>
      <h2>History</h2>
      {history.isPending && <Loading what="the history" />}
      {history.isError && <Failure error={history.error} onRetry={history.refetch} />}
      {history.data && (
        <>
          <h3>Changes of the record</h3>
          <Changes changes={history.data.changes} />
          <h3>Checks that had another result than the one before</h3>
          <Checks checks={history.data.checks} />
        </>
      )}
    </>
  );
}

function Changes({ changes }: { changes: TenantHistory['changes'] }): ReactNode {
  if (changes.length === 0) return <p className="quiet">None is known. A tenant in a file has no history.</p>;
  return (
    <TableFrame label="Changes of the record">
      <thead>
        <tr>
          <th scope="col">When</th>
          <th scope="col">Revision</th>
          <th scope="col">Change</th>
          <th scope="col">By</th>
        </tr>
      </thead>
      <tbody>
        {changes.map(({ at, revision, action, by }) => (
          <tr key={revision}>
            <td>
              <Time at={at} />
            </td>
            <td>{revision}</td>
            <td>{action}</td>
            <td className="break">{by}</td>
          </tr>
        ))}
      </tbody>
    </TableFrame>
  );
}

function Checks({ checks }: { checks: TenantHistory['checks'] }): ReactNode {
  if (checks.length === 0) return <p className="quiet">This tenant has not been checked yet.</p>;
  return (
    <TableFrame label="Checks">
      <thead>
        <tr>
          <th scope="col">When</th>
          <th scope="col">Result</th>
          <th scope="col">Step</th>
          <th scope="col">Detail</th>
        </tr>
      </thead>
      <tbody>
        {checks.map(({ checkedAt, state, step, detail }) => (
          <tr key={checkedAt}>
            <td>
              <Time at={checkedAt} />
            </td>
            <td>
              <Badge mood={moodOf(state)}>{state}</Badge>
            </td>
            <td>{step}</td>
            <td className="break">{detail}</td>
          </tr>
        ))}
      </tbody>
    </TableFrame>
  );
}
