import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { tenantPath } from '../../api/paths.ts';
import type { IssuedOnboardingLink, OnboardingLinkList, Tenant } from '../../api/types.ts';
import { useApi, useRole } from '../../app/context.ts';
import { Badge, moodOf } from '../../parts/badge.tsx';
import { ConfirmDialog } from '../../parts/confirm-dialog.tsx';
import { Failure } from '../../parts/failure.tsx';
import { Loading } from '../../parts/loading.tsx';
import { TableFrame } from '../../parts/table-frame.tsx';
import { Time } from '../../parts/time.tsx';
import { IssueLink } from './issue-link.tsx';

type Link = OnboardingLinkList['links'][number];

const keyOf = (tenantId: string): readonly string[] => ['links', tenantId];

/** Links to the customer's page: issued, listed and revoked. */
export function Links({ tenant }: { tenant: Tenant }): ReactNode {
  const api = useApi();
  const client = useQueryClient();
  const mayManage = useRole('Tenants.Manage');
  const [issued, setIssued] = useState<IssuedOnboardingLink>();
  const links = useQuery({
    queryKey: keyOf(tenant.id),
    queryFn: ({ signal }) => api.json<OnboardingLinkList>(tenantPath(tenant.id, '/onboarding-links'), { signal }),
  });
  const onIssued = (link: IssuedOnboardingLink): void => {
    setIssued(link);
    void client.invalidateQueries({ queryKey: keyOf(tenant.id) });
  };
  return (
    <>
      <h3>Links to the customer's page</h3>
      <p>
        Whoever has a link reads the steps, runs the checks, rings the doorbell and starts a drill for this tenant,
        without signing in. It never allows calls on data.
      </p>
      {mayManage && <IssueLink tenant={tenant} issued={issued} onIssued={onIssued} />}
      {links.isPending && <Loading what="the links" />}
      {links.isError && <Failure error={links.error} onRetry={links.refetch} />}
      {links.data && <LinkTable tenantId={tenant.id} links={links.data.links} mayManage={mayManage} />}
    </>
  );
}

interface LinkTableProps {
  readonly tenantId: string;
  readonly links: readonly Link[];
  readonly mayManage: boolean;
}

function LinkTable({ tenantId, links, mayManage }: LinkTableProps): ReactNode {
  if (links.length === 0) return <p className="quiet">No link has been issued.</p>;
  return (
    <TableFrame label="Links to the customer's page">
      <thead>
        <tr>
          <th scope="col">Link</th>
          <th scope="col">State</th>
          <th scope="col">Also reads</th>
          <th scope="col">Issued</th>
          <th scope="col">Expires</th>
          <th scope="col">Last used</th>
          {mayManage && <th scope="col">Revoke</th>}
        </tr>
      </thead>
      <tbody>
        {links.map((link) => (
          <tr key={link.id}>
            <th scope="row">
              <code>{link.id}</code>
            </th>
            <td>
              <Badge mood={moodOf(link.state)}>{link.state}</Badge>
            </td>
            <td>{link.allow.join(', ') || '–'}</td>
            <td>
              <Time at={link.createdAt} />
              <div className="quiet break">{link.createdBy.slice(link.createdBy.lastIndexOf('#') + 1)}</div>
            </td>
            <td>
              <Time at={link.expiresAt} />
            </td>
            <td>
              <Time at={link.usedAt} />
            </td>
            {mayManage && <td>{link.state === 'active' && <Revoke tenantId={tenantId} link={link} />}</td>}
          </tr>
        ))}
      </tbody>
    </TableFrame>
  );
}

function Revoke({ tenantId, link }: { tenantId: string; link: Link }): ReactNode {
  const api = useApi();
  const client = useQueryClient();
  const [isAsking, setAsking] = useState(false);
  const revoke = useMutation({
    mutationFn: () =>
      api.json<void>(tenantPath(tenantId, `/onboarding-links/${encodeURIComponent(link.id)}`), { method: 'DELETE' }),
    onSuccess: () => {
      setAsking(false);
      return client.invalidateQueries({ queryKey: keyOf(tenantId) });
    },
  });
  return (
    <>
      <button type="button" aria-label={`Revoke the link ${link.id}`} onClick={() => setAsking(true)}>
        Revoke…
      </button>
      {isAsking && (
        <ConfirmDialog
          title="Revoke the link"
          action="Revoke"
          isDangerous
          isPending={revoke.isPending}
          error={revoke.error}
          onConfirm={revoke.mutate}
          onClose={() => setAsking(false)}
        >
          <p>From the next request on it opens nothing. This cannot be undone; issue another link instead.</p>
        </ConfirmDialog>
      )}
    </>
  );
}
