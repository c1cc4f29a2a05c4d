import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { Link } from 'react-router';
import type { Usage, UsagePage as UsageAnswer } from '../../api/types.ts';
import { useApi, useRole } from '../../app/context.ts';
import { DateRangeFields } from '../../parts/date-range.tsx';
import { Failure } from '../../parts/failure.tsx';
import { Field } from '../../parts/field.tsx';
import { ListDownload } from '../../parts/list-download.tsx';
import { Loading } from '../../parts/loading.tsx';
import { PageTitle } from '../../parts/page-title.tsx';
import { Pager, useCursors } from '../../parts/pager.tsx';
import { titleOf, UsageTable } from '../../parts/usage-table.tsx';
import { instantsOf, thisMonth } from '../../text/usage-series.ts';

const PAGE = 50;

const COLUMNS = ['operations', 'failures', 'bytes', 'vaultCalls', 'leases', 'leasedMessages'] as const;

/** What each tenant used, in the order of a measure or by id. */
export default function UsagePage(): ReactNode {
  const mayRead = useRole('Audit.Read');
  const [range, setRange] = useState(() => thisMonth(Date.now()));
  const [sort, setSort] = useState('operations');
  const instants = instantsOf(range);
  return (
    <>
      <PageTitle>Usage of all tenants</PageTitle>
      {mayRead ? (
        <>
          <div className="row">
            <DateRangeFields
              range={range}
              fault={typeof instants === 'string' ? instants : undefined}
              onChange={setRange}
            />
            <Field label="Order">
              {(ids) => (
                <select {...ids} value={sort} onChange={({ target }) => setSort(target.value)}>
                  {COLUMNS.map((name) => (
                    <option key={name} value={name}>
                      most {titleOf(name).toLowerCase()} first
                    </option>
                  ))}
                  <option value="id">by id</option>
                </select>
              )}
            </Field>
          </div>
          {typeof instants !== 'string' && <Tenants query={{ ...instants, sort }} />}
        </>
      ) : (
        <p className="quiet">Usage needs the role Audit.Read.</p>
      )}
    </>
  );
}

interface UsageQuery {
  readonly from: string;
  readonly to: string;
  readonly sort: string;
}

function Tenants({ query }: { query: UsageQuery }): ReactNode {
  const api = useApi();
  const cursors = useCursors(JSON.stringify(query));
  const { cursor } = cursors;
  const page = useQuery({
    queryKey: ['usage', query, cursor],
    queryFn: ({ signal }) => api.json<UsageAnswer>('/usage', { query: { ...query, cursor, limit: PAGE }, signal }),
    placeholderData: keepPreviousData,
  });
  if (page.isPending) return <Loading what="the usage" />;
  if (page.isError) return <Failure error={page.error} onRetry={page.refetch} />;
  const { usage, nextCursor } = page.data;
  return (
    <>
      {usage.length === 0 ? <p className="quiet">No tenant used anything.</p> : <Rows usage={usage} />}
      <Pager label="Pages of tenants" cursors={cursors} nextCursor={nextCursor} isLoading={page.isPlaceholderData} />
      <ListDownload
        path="/usage"
        name="usage"
        format="CSV"
        query={{ from: query.from, to: query.to, sort: 'id' }}
        command="`vaultspan usage`"
      />
    </>
  );
}

const Rows = ({ usage }: { usage: readonly Usage[] }): ReactNode => (
  <UsageTable
    label="Usage by tenant"
    first="Tenant"
    columns={COLUMNS}
    rows={usage.map((row) => ({
      key: row.tenantId,
      head: <Link to={`/tenants/${encodeURIComponent(row.tenantId)}/usage`}>{row.tenantId}</Link>,
      usage: row,
    }))}
  />
);
