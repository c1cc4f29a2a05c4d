import { useInfiniteQuery } from '@tanstack/react-query';
import { type ReactNode, useEffect, useState } from 'react';
import { tenantPath } from '../../api/paths.ts';
import type { AuditPage, AuditRecord } from '../../api/types.ts';
import { useApi } from '../../app/context.ts';
import { Failure } from '../../parts/failure.tsx';
import { Field } from '../../parts/field.tsx';
import { Loading } from '../../parts/loading.tsx';
import { type AuditFilter, instantOf, matches } from '../../text/audit-filter.ts';
import { AuditDownload } from './audit-download.tsx';
import { AuditTable } from './audit-table.tsx';
import type { SectionProps } from './tenant-page.tsx';

const PAGE = 200;
/** How many records are read for one screen of matches before the person is asked. */
const LOOK_AHEAD = 2_000;
const ENOUGH = 50;
const NO_FILTER: AuditFilter & { readonly from: string; readonly to: string } = {
  operation: '',
  outcome: '',
  text: '',
  from: '',
  to: '',
};

export default function AuditSection({ tenant }: SectionProps): ReactNode {
  const [form, setForm] = useState(NO_FILTER);
  const [filter, setFilter] = useState(NO_FILTER);
  const set = (name: keyof typeof form) => (value: string) => setForm({ ...form, [name]: value });
  return (
    <>
      <h2>Audit log</h2>
      <form
        className="row"
        onSubmit={(event) => {
          event.preventDefault();
          setFilter(form);
        }}
      >
        <Field label="From">
          {(ids) => (
            <input
              {...ids}
              type="datetime-local"
              step={1}
              value={form.from}
              onChange={(event) => set('from')(event.target.value)}
            />
          )}
        </Field>
        <Field label="Until">
          {(ids) => (
            <input
              {...ids}
              type="datetime-local"
              step={1}
              value={form.to}
              onChange={(event) => set('to')(event.target.value)}
            />
          )}
        </Field>
        <Field label="Operation">
          {(ids) => (
            <input
              {...ids}
              value={form.operation}
              size={14}
              onChange={(event) => set('operation')(event.target.value)}
            />
          )}
        </Field>
        <Field label="Outcome">
          {(ids) => (
            <select {...ids} value={form.outcome} onChange={(event) => set('outcome')(event.target.value)}>
              <option value="">any</option>
              <option>succeeded</option>
              <option>refused</option>
              <option>failed</option>
            </select>
          )}
        </Field>
        <Field label="Caller, request, key, code or claim">
          {(ids) => <input {...ids} value={form.text} onChange={(event) => set('text')(event.target.value)} />}
        </Field>
        <button type="submit" className="primary">
          Search
        </button>
      </form>
      <Records key={JSON.stringify(filter)} tenantId={tenant.id} filter={filter} />
    </>
  );
}

interface RecordsProps {
  readonly tenantId: string;
  readonly filter: typeof NO_FILTER;
}

/** Records newest first. Pages are read until enough of them match, or enough were looked at. */
function Records({ tenantId, filter }: RecordsProps): ReactNode {
  const api = useApi();
  const range = { from: instantOf(filter.from), to: instantOf(filter.to) };
  const [wanted, setWanted] = useState(ENOUGH);
  const [limit, setLimit] = useState(LOOK_AHEAD);
  const path = tenantPath(tenantId, '/audit');
  const pages = useInfiniteQuery({
    queryKey: ['audit', tenantId, range],
    queryFn: ({ pageParam, signal }) =>
      api.json<AuditPage>(path, { query: { ...range, cursor: pageParam, limit: PAGE }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ nextCursor }) => nextCursor,
    refetchOnWindowFocus: false,
  });
  const records = pages.data?.pages.flatMap((page) => page.records) ?? [];
  const found = records.filter((record) => matches(record, filter));
  const { hasNextPage, isFetching, isError, fetchNextPage } = pages;
  const isSearching = hasNextPage && found.length < wanted && records.length < limit && !isError;
  useEffect(() => {
    if (isSearching && !isFetching) void fetchNextPage();
  }, [isSearching, isFetching, fetchNextPage]);
  const more = (): void => {
    setWanted(found.length + ENOUGH);
    setLimit(records.length + LOOK_AHEAD);
  };
  return (
    <>
      <AuditDownload path={path} name={`audit-${tenantId}`} range={range} />
      <p role="status" className="quiet">
        {summary(found, records, wanted)}
      </p>
      {isError && <Failure error={pages.error} onRetry={pages.refetch} />}
      {found.length > 0 && <AuditTable records={found.slice(0, wanted)} />}
      {(pages.isPending || isSearching) && !isError && <Loading what="records" />}
      {!isSearching && (hasNextPage || found.length > wanted) && (
        <p>
          <button type="button" onClick={more}>
            Show more
          </button>
        </p>
      )}
    </>
  );
}

function summary(found: readonly AuditRecord[], records: readonly AuditRecord[], wanted: number): string {
  const shown = Math.min(found.length, wanted);
  const oldest = records.at(-1)?.at;
  if (oldest === undefined) return 'No records yet.';
  return `${shown} records shown; ${records.length.toLocaleString()} looked through, back to ${new Date(oldest).toLocaleString()}.`;
}
