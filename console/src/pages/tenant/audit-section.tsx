import { useInfiniteQuery } from '@tanstack/react-query';
import { type ReactNode, useEffect, useState } from 'react';
import { tenantPath } from '../../api/paths.ts';
import type { AuditPage } from '../../api/types.ts';
import { useApi } from '../../app/context.ts';
import { Failure } from '../../parts/failure.tsx';
import { ListDownload } from '../../parts/list-download.tsx';
import { Loading } from '../../parts/loading.tsx';
import { type AuditSearch, NO_SEARCH, queryOf } from '../../text/audit-filter.ts';
import { AuditForm } from './audit-form.tsx';
import { AuditTable } from './audit-table.tsx';
import type { SectionProps } from './tenant-page.tsx';

const PAGE = 50;
/** Pages that are asked for one after the other before the person is asked: 200,000 records at most. */
const PAGES_AHEAD = 10;

export default function AuditSection({ tenant }: SectionProps): ReactNode {
  const [search, setSearch] = useState<{ readonly form: AuditSearch; readonly number: number }>({
    form: NO_SEARCH,
    number: 0,
  });
  return (
    <>
      <h2>Audit log</h2>
      <AuditForm onSearch={(form) => setSearch(({ number }) => ({ form, number: number + 1 }))} />
      <Records key={search.number} tenantId={tenant.id} search={search.form} number={search.number} />
    </>
  );
}

interface RecordsProps {
  readonly tenantId: string;
  readonly search: AuditSearch;
  /** Counts the searches, so that the same one asked again reads anew. */
  readonly number: number;
}

/** Records newest first. A page of a search may be empty, so several are read until there are enough. */
function Records({ tenantId, search, number }: RecordsProps): ReactNode {
  const api = useApi();
  const [wanted, setWanted] = useState(PAGE);
  const [pagesLeft, setPagesLeft] = useState(PAGES_AHEAD);
  const path = tenantPath(tenantId, '/audit');
  const query = queryOf(search);
  const pages = useInfiniteQuery({
    queryKey: ['audit', tenantId, number, query],
    queryFn: ({ pageParam, signal }) =>
      api.json<AuditPage>(path, { query: { ...query, cursor: pageParam, limit: PAGE }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ nextCursor }) => nextCursor,
    refetchOnWindowFocus: false,
    gcTime: 0,
  });
  const read = pages.data?.pages ?? [];
  const records = read.flatMap((page) => page.records);
  const { hasNextPage, isFetching, isError, fetchNextPage } = pages;
  const isSearching = hasNextPage && records.length < wanted && read.length < pagesLeft && !isError;
  useEffect(() => {
    if (isSearching && !isFetching) void fetchNextPage();
  }, [isSearching, isFetching, fetchNextPage]);
  const more = (): void => {
    setWanted(records.length + PAGE);
    setPagesLeft(read.length + PAGES_AHEAD);
  };
  return (
    <>
      <ListDownload path={path} name={`audit-${tenantId}`} format="NDJSON" query={query} command="`vaultspan audit`" />
      <p role="status" className="quiet">
        {summary(records.length, read.at(-1), hasNextPage)}
      </p>
      {isError && <Failure error={pages.error} onRetry={pages.refetch} />}
      {records.length > 0 && <AuditTable records={records} />}
      {(pages.isPending || isSearching) && !isError && <Loading what="records" />}
      {!isSearching && hasNextPage && (
        <p>
          <button type="button" onClick={more}>
            Show more
          </button>
        </p>
      )}
    </>
  );
}

function summary(count: number, last: AuditPage | undefined, hasMore: boolean): string {
  if (!last) return '';
  const found = `${count.toLocaleString()} ${count === 1 ? 'record' : 'records'} shown`;
  if (!hasMore) return `${found}; there are no older ones.`;
  const reached = last.searchedTo ?? last.records.at(-1)?.at;
  return reached === undefined ? `${found}.` : `${found}, back to ${new Date(reached).toLocaleString()}.`;
}
