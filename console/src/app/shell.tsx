import { lazy, type ReactNode, Suspense, useMemo, useState } from 'react';
import { BrowserRouter, Link, Route, Routes as Router, useLocation } from 'react-router';
import { createApi } from '../api/api.ts';
import { ErrorBoundary } from '../parts/error-boundary.tsx';
import { Loading } from '../parts/loading.tsx';
import { Banners } from './banners.tsx';
import { Console } from './context.ts';
import { ExpiredBanner } from './expired-banner.tsx';
import { NoPage, NoRole } from './no-page.tsx';
import type { Roles } from './roles.ts';
import type { Settings } from './settings.ts';
import type { Session } from './sign-in.ts';
import { SignInPage } from './sign-in-page.tsx';

const Overview = lazy(() => import('../pages/overview/overview-page.tsx'));
const UsagePage = lazy(() => import('../pages/usage/usage-page.tsx'));
const RegisterPage = lazy(() => import('../pages/register/register-page.tsx'));
const TenantPage = lazy(() => import('../pages/tenant/tenant-page.tsx'));

/** The frame of all pages: who is signed in, where one is, and the page. */
export function Shell({ settings, session }: { settings: Settings; session: Session }): ReactNode {
  const [person, setPerson] = useState(session.person);
  const [isExpired, setExpired] = useState(false);
  const api = useMemo(() => createApi(session.token, () => setExpired(true)), [session]);
  const context = useMemo(() => person && { api, roles: person.roles }, [api, person]);
  return (
    <BrowserRouter basename="/console">
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <header className="top">
        <Link to="/" className="brand">
          Vaultspan console
        </Link>
        {settings.vendorName && <span className="vendor">{settings.vendorName}</span>}
        <a href="/docs">API reference</a>
        {person && <TopLinks roles={person.roles} />}
        {person && (
          <span className="person">
            <span className="clip">{person.name}</span>
            <button type="button" onClick={() => void session.signOut()}>
              Sign out
            </button>
          </span>
        )}
      </header>
      <Banners />
      {isExpired && (
        <ExpiredBanner
          session={session}
          onSignedIn={(again) => {
            setPerson(again);
            setExpired(false);
          }}
        />
      )}
      <main id="main" tabIndex={-1}>
        <PageBoundary>
          {context ? (
            <Console value={context}>
              <Suspense fallback={<Loading />}>
                {context.roles.has('Tenants.Read') ? <Pages /> : <NoRole roles={context.roles} />}
              </Suspense>
            </Console>
          ) : (
            <SignInPage failure={session.failure} onSignIn={session.signIn} />
          )}
        </PageBoundary>
      </main>
    </BrowserRouter>
  );
}

/** Keeps the fault of a page to it: the links above stay, and another page is shown as ever. */
const PageBoundary = ({ children }: { children: ReactNode }): ReactNode => (
  <ErrorBoundary place={useLocation().pathname}>{children}</ErrorBoundary>
);

const Pages = (): ReactNode => (
  <Router>
    <Route index element={<Overview />} />
    <Route path="usage" element={<UsagePage />} />
    <Route path="register" element={<RegisterPage />} />
    <Route path="tenants/:tenantId/*" element={<TenantPage />} />
    <Route path="*" element={<NoPage />} />
  </Router>
);

/** Pages beside the overview; the service would refuse their calls without the role. */
const TopLinks = ({ roles }: { roles: Roles }): ReactNode => (
  <nav aria-label="Pages" className="pages">
    {roles.has('Tenants.Read') && roles.has('Audit.Read') && <Link to="/usage">Usage</Link>}
    {roles.has('Tenants.Read') && roles.has('Tenants.Manage') && <Link to="/register">Register a tenant</Link>}
  </nav>
);
