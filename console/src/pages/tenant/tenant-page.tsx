import { type ComponentType, lazy, type ReactNode, Suspense } from 'react';
import { Navigate, NavLink, Route, Routes, useLocation, useParams } from 'react-router';
import type { Tenant } from '../../api/types.ts';
import { useConsole } from '../../app/context.ts';
import type { Role, Roles } from '../../app/roles.ts';
import { Badge, moodOf } from '../../parts/badge.tsx';
import { ErrorBoundary } from '../../parts/error-boundary.tsx';
import { Failure } from '../../parts/failure.tsx';
import { Loading } from '../../parts/loading.tsx';
import { PageTitle } from '../../parts/page-title.tsx';
import { RemoveButton } from './remove-button.tsx';
import { StateButtons } from './state-buttons.tsx';
import { useTenant } from './use-tenant.ts';

interface Section {
  readonly path: string;
  readonly title: string;
  /** Roles without which the service would refuse its calls. */
  readonly needs?: readonly Role[];
  readonly Page: ComponentType<SectionProps>;
}

const SECTIONS: readonly Section[] = [
  { path: 'record', title: 'Record', Page: lazy(() => import('./record-section.tsx')) },
  { path: 'keys', title: 'Keys', Page: lazy(() => import('./keys-section.tsx')) },
  { path: 'check', title: 'Check', Page: lazy(() => import('./check-section.tsx')) },
  { path: 'onboarding', title: 'Onboarding', Page: lazy(() => import('./onboarding-section.tsx')) },
  { path: 'drill', title: 'Drill', Page: lazy(() => import('./drill-section.tsx')) },
  { path: 'history', title: 'History', Page: lazy(() => import('./history-section.tsx')) },
  { path: 'audit', title: 'Audit', needs: ['Audit.Read'], Page: lazy(() => import('./audit-section.tsx')) },
  { path: 'usage', title: 'Usage', needs: ['Audit.Read'], Page: lazy(() => import('./usage-section.tsx')) },
  { path: 'receipts', title: 'Receipts', needs: ['Audit.Read'], Page: lazy(() => import('./receipts-section.tsx')) },
  {
    path: 'try',
    title: 'Try it',
    needs: ['Data.Encrypt', 'Data.Decrypt'],
    Page: lazy(() => import('./try-section.tsx')),
  },
];

/** What each part of a tenant's page gets. */
export interface SectionProps {
  readonly tenant: Tenant;
}

export default function TenantPage(): ReactNode {
  const { tenantId = '' } = useParams();
  const { pathname } = useLocation();
  const tenant = useTenant(tenantId);
  const { roles } = useConsole();
  const sections = SECTIONS.filter((section) => isShown(section, roles));
  return (
    <>
      <PageTitle>{tenant.data?.displayName ?? tenantId}</PageTitle>
      {tenant.isPending && <Loading what="the tenant" />}
      {tenant.isError && <Failure error={tenant.error} onRetry={tenant.refetch} />}
      {tenant.data && (
        <>
          <Heading tenant={tenant.data} />
          <nav aria-label="Parts of the tenant" className="sections">
            {sections.map(({ path, title }) => (
              <NavLink key={path} to={`/tenants/${encodeURIComponent(tenantId)}/${path}`}>
                {title}
              </NavLink>
            ))}
          </nav>
          <ErrorBoundary place={pathname}>
            <Suspense fallback={<Loading />}>
              <Routes>
                <Route index element={<Navigate to="record" replace />} />
                {sections.map(({ path, Page }) => (
                  <Route key={path} path={`${path}/*`} element={<Page key={tenantId} tenant={tenant.data} />} />
                ))}
                <Route path="*" element={<p>Nothing is at this address, or your role does not include it.</p>} />
              </Routes>
            </Suspense>
          </ErrorBoundary>
        </>
      )}
    </>
  );
}

const isShown = ({ needs }: Section, roles: Roles): boolean => needs?.every((role) => roles.has(role)) ?? true;

const Heading = ({ tenant }: { tenant: Tenant }): ReactNode => (
  <div className="row middle">
    <code>{tenant.id}</code>
    <Badge mood={moodOf(tenant.state ?? 'active')}>{tenant.state ?? 'active'}</Badge>
    {tenant.lastCheck && (
      <Badge mood={moodOf(tenant.lastCheck.state)}>
        last check {tenant.lastCheck.state === 'passed' ? 'passed' : `failed: ${tenant.lastCheck.state}`}
      </Badge>
    )}
    <StateButtons tenant={tenant} />
    <RemoveButton tenant={tenant} />
  </div>
);
