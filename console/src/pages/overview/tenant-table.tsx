import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { type ReactNode, useEffect, useState } from 'react';
import { Link, useSearchParams } from 'react-router';
import type { Tenant, TenantList } from '../../api/types.ts';
import { useApi } from '../../app/context.ts';
import { Badge, moodOf } from '../../parts/badge.tsx';
import { Failure } from '../../parts/failure.tsx';
import { Field } from '../../parts/field.tsx';
import { Loading } from '../../parts/loading.tsx';
import { Pager, useCursors } from '../../parts/pager.tsx';
import { REFRESH_MS } from '../../parts/refresh.ts';
import { TableFrame } from '../../parts/table-frame.tsx';
import { Time } from '../../parts/time.tsx';

const PAGE = 50;
const TYPING_MS = 300;

interface Narrowing {
  readonly search: string;
  readonly state: string;
  readonly sort: string;
}

/** The list of tenants. What it is narrowed to is in the address, so that it can be shared and gone back to. */
export function TenantTable(): ReactNode {
  const [params, setParams] = useSearchParams();
  const narrowing = {
    search: params.get('search') ?? '',
    state: params.get('state') ?? '',
    sort: params.get('sort') ?? '',
  };
  const narrow = (change: Partial<Narrowing>): void =>
    setParams(
      (before) => {
        const after = new URLSearchParams(before);
        for (const [name, value] of Object.entries(change)) {
          if (value === '') after.delete(name);
          else after.set(name, value);
        }
        return after;
      },
      { replace: true },
    );
  return (
    <section aria-labelledby="tenants">
      <h2 id="tenants">Tenants</h2>
      <search className="row">
        <SearchField search={narrowing.search} onSearch={(search) => narrow({ search })} />
        <Field label="State">
          {(ids) => (
            <select {...ids} value={narrowing.state} onChange={({ target }) => narrow({ state: target.value })}>
              <option value="">all</option>
              <option value="active">active</option>
              <option value="failing">failing</option>
              <option value="unchecked">not checked yet</option>
              <option value="suspended">suspended</option>
            </select>
          )}
        </Field>
        <Field label="Order">
          {(ids) => (
            <select {...ids} value={narrowing.sort} onChange={({ target }) => narrow({ sort: target.value })}>
              <option value="">by id</option>
              <option value="name">by name</option>
              <option value="updated">last changed first</option>
              <option value="checked">oldest check first</option>
            </select>
          )}
        </Field>
      </search>
      <Pages narrowing={narrowing} />
    </section>
  );
}

/** Searches when the typing pauses. */
function SearchField({ search, onSearch }: { search: string; onSearch: (search: string) => void }): ReactNode {
  const [text, setText] = useState(search);
  useEffect(() => setText(search), [search]);
  useEffect(() => {
    if (text === search) return undefined;
    const timer = setTimeout(() => onSearch(text), TYPING_MS);
    return () => clearTimeout(timer);
  });
  return (
    <Field label="Search" hint="The beginning of an id or a name, or a directory's GUID">
      {(ids) => (
        <input {...ids} type="search" maxLength={200} value={text} onChange={({ target }) => setText(target.value)} />
      )}
    </Field>
  );
}

/** One page at a time, so that 100,000 tenants weigh no more than 50. */
function Pages({ narrowing }: { narrowing: Narrowing }): ReactNode {
  const api = useApi();
  const cursors = useCursors(JSON.stringify(narrowing));
  const { cursor } = cursors;
  const page = useQuery({
    queryKey: ['tenants', narrowing, cursor],
    queryFn: ({ signal }) => api.json<TenantList>('/tenants', { query: { ...narrowing, cursor, limit: PAGE }, signal }),
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH_MS,
  });
  if (page.isPending) return <Loading what="the tenants" />;
  if (page.isError) return <Failure error={page.error} onRetry={page.refetch} />;
  const { tenants, nextCursor } = page.data;
  return (
    <>
      {tenants.length === 0 ? <p className="quiet">No tenant fits.</p> : <Rows tenants={tenants} />}
      <Pager label="Pages of tenants" cursors={cursors} nextCursor={nextCursor} isLoading={page.isPlaceholderData} />
    </>
  );
}

const Rows = ({ tenants }: { tenants: readonly Tenant[] }): ReactNode => (
  <TableFrame label="Tenants">
    <thead>
      <tr>
        <th scope="col">Tenant</th>
        <th scope="col">Name</th>
        <th scope="col">State</th>
        <th scope="col">Last check</th>
        <th scope="col">Changed</th>
      </tr>
    </thead>
    <tbody>
      {tenants.map((tenant) => (
        <tr key={tenant.id}>
          <th scope="row">
            <Link to={`/tenants/${encodeURIComponent(tenant.id)}`}>{tenant.id}</Link>
          </th>
          <td className="name">{tenant.displayName}</td>
          <td>
            <Badge mood={moodOf(tenant.state ?? 'active')}>{tenant.state ?? 'active'}</Badge>
          </td>
          <td>
            <Check check={tenant.lastCheck} />
          </td>
          <td>
            <Time at={tenant.updatedAt} />
          </td>
        </tr>
      ))}
    </tbody>
  </TableFrame>
);

function Check({ check }: { check: Tenant['lastCheck'] }): ReactNode {
  if (!check) return <span className="quiet">not checked yet</span>;
  const { state, step, checkedAt } = check;
  return (
    <>
      <Badge mood={moodOf(state)}>{state === 'passed' ? 'passed' : `${step ?? 'failed'}: ${state}`}</Badge>{' '}
      <span className="quiet">
        <Time at={checkedAt} />
      </span>
    </>
  );
}
