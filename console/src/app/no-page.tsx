import type { ReactNode } from 'react';
import { Link } from 'react-router';
import { PageTitle } from '../parts/page-title.tsx';
import type { Roles } from './roles.ts';

export const NoPage = (): ReactNode => (
  <>
    <PageTitle>No such page</PageTitle>
    <p>
      Nothing is at this address. <Link to="/">Go to the overview</Link>.
    </p>
  </>
);

/** Shown to a person whom the vendor's directory lets in without a role that reads anything. */
export const NoRole = ({ roles }: { roles: Roles }): ReactNode => (
  <>
    <PageTitle>You have no access to tenants</PageTitle>
    <p>
      {roles.size === 0
        ? 'Your account has no role of this application.'
        : `Your account has ${[...roles].join(', ')}, and the console needs Tenants.Read.`}{' '}
      An administrator of your own directory assigns roles under Enterprise applications, Users and groups. Sign out and
      in again afterwards.
    </p>
  </>
);
