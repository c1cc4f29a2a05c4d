import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { tenantPath } from '../../api/paths.ts';
import type { DirectoryFacts as DirectoryAnswer, Tenant } from '../../api/types.ts';
import { useApi } from '../../app/context.ts';
import { Facts } from '../../parts/facts.tsx';
import { Failure } from '../../parts/failure.tsx';
import { Loading } from '../../parts/loading.tsx';

/** Facts of the customer's directory, read when asked for: each time is a sign-in there. */
export function DirectoryFacts({ tenant }: { tenant: Tenant }): ReactNode {
  const api = useApi();
  const facts = useQuery({
    queryKey: ['directory', tenant.id],
    queryFn: ({ signal }) => api.json<DirectoryAnswer>(tenantPath(tenant.id, '/directory'), { signal }),
    enabled: false,
  });
  return (
    <section aria-label="Facts of the directory">
      <h3>Facts of the customer's directory</h3>
      <p>
        <button type="button" disabled={facts.isFetching} onClick={() => void facts.refetch()}>
          Read them from Microsoft Graph
        </button>
      </p>
      {facts.isFetching && <Loading what="the facts" />}
      {facts.isError && !facts.isFetching && <Failure error={facts.error} />}
      {facts.data && !facts.isFetching && <Answer answer={facts.data} />}
    </section>
  );
}

const Answer = ({ answer: { organization, users, groups } }: { answer: DirectoryAnswer }): ReactNode => (
  <Facts
    facts={[
      ['Name', organization && (organization.displayName ?? unread(organization))],
      ['Verified domains', organization?.verifiedDomains?.join(', ')],
      ['Users', users && countText(users)],
      ['Groups', groups && countText(groups)],
    ]}
  />
);

type Count = NonNullable<DirectoryAnswer['users']>;

function countText(fact: Count): string {
  if (fact.count !== undefined) return fact.count.toLocaleString();
  return fact.atLeast === undefined ? unread(fact) : `at least ${fact.atLeast.toLocaleString()}`;
}

const unread = ({ state, permission, code }: Pick<Count, 'state' | 'permission' | 'code'>): string =>
  [state, code, permission !== undefined && `needs ${permission}`].filter(Boolean).join(', ');
