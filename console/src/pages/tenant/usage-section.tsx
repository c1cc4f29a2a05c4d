import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import type { UsagePage } from '../../api/types.ts';
import { useApi } from '../../app/context.ts';
import { BarChart } from '../../parts/bar-chart.tsx';
import { DateRangeFields } from '../../parts/date-range.tsx';
import { Failure } from '../../parts/failure.tsx';
import { Field } from '../../parts/field.tsx';
import { ListDownload } from '../../parts/list-download.tsx';
import { Loading } from '../../parts/loading.tsx';
import { titleOf, UsageTable } from '../../parts/usage-table.tsx';
import {
  type DateRange,
  instantsOf,
  isMeasure,
  MEASURES,
  type Measure,
  type Period,
  periodsOf,
  thisMonth,
} from '../../text/usage-series.ts';
import { QuotaPart } from './quota-part.tsx';
import type { SectionProps } from './tenant-page.tsx';

/** What the tenant used, by day or month, and what is left of its quota. */
export default function UsageSection({ tenant }: SectionProps): ReactNode {
  const [range, setRange] = useState(() => thisMonth(Date.now()));
  const [by, setBy] = useState<'day' | 'month'>('day');
  const [measure, setMeasure] = useState<Measure>('operations');
  const instants = instantsOf(range);
  return (
    <>
      <h2>Usage</h2>
      <div className="row">
        <DateRangeFields
          range={range}
          fault={typeof instants === 'string' ? instants : undefined}
          onChange={setRange}
        />
        <Field label="By">
          {(ids) => (
            <select {...ids} value={by} onChange={({ target }) => setBy(target.value === 'month' ? 'month' : 'day')}>
              <option value="day">day</option>
              <option value="month">month</option>
            </select>
          )}
        </Field>
        <Field label="Chart">
          {(ids) => (
            <select
              {...ids}
              value={measure}
              onChange={({ target }) => isMeasure(target.value) && setMeasure(target.value)}
            >
              {MEASURES.map((name) => (
                <option key={name} value={name}>
                  {titleOf(name)}
                </option>
              ))}
            </select>
          )}
        </Field>
      </div>
      {typeof instants !== 'string' && (
        <Series tenantId={tenant.id} range={range} instants={instants} by={by} measure={measure} />
      )}
      <QuotaPart tenant={tenant} />
    </>
  );
}

interface SeriesProps {
  readonly tenantId: string;
  readonly range: DateRange;
  readonly instants: { readonly from: string; readonly to: string };
  readonly by: 'day' | 'month';
  readonly measure: Measure;
}

function Series({ tenantId, range, instants, by, measure }: SeriesProps): ReactNode {
  const api = useApi();
  const query = { ...instants, tenantId, by: 'day' };
  const usage = useQuery({
    queryKey: ['usage', query],
    queryFn: ({ signal }) => api.json<UsagePage>('/usage', { query, signal }),
    placeholderData: keepPreviousData,
  });
  if (usage.isPending) return <Loading what="the usage" />;
  if (usage.isError) return <Failure error={usage.error} onRetry={usage.refetch} />;
  const periods = periodsOf(usage.data.usage, range, by);
  return (
    <>
      <BarChart bars={periods.map((period) => ({ name: period.name, value: period[measure] }))} />
      <PeriodTable periods={periods} />
      <ListDownload path="/usage" name={`usage-${tenantId}`} format="CSV" query={query} command="`vaultspan usage`" />
    </>
  );
}

const COLUMNS = ['operations', 'failures', 'bytes', 'vaultCalls', 'leases'] as const;

/** The newest period first; those without any usage are left out. */
function PeriodTable({ periods }: { periods: readonly Period[] }): ReactNode {
  const used = periods.filter((period) => COLUMNS.some((name) => period[name] > 0)).reverse();
  if (used.length === 0) return <p className="quiet">Nothing was used in this time.</p>;
  const rows = used.map((period) => ({ key: period.name, head: period.name, usage: period }));
  return <UsageTable label="Usage" first="Time" columns={COLUMNS} rows={rows} />;
}
