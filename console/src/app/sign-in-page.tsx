import type { ReactNode } from 'react';
import { Notice } from '../parts/notice.tsx';
import { PageTitle } from '../parts/page-title.tsx';

export const SignInPage = ({
  failure,
  onSignIn,
}: {
  failure: string | undefined;
  onSignIn: () => Promise<void>;
}): ReactNode => (
  <div className="narrow">
    <PageTitle>Sign in</PageTitle>
    {failure !== undefined && (
      <Notice kind="error" title="The sign-in did not succeed">
        <p className="break">{failure}</p>
      </Notice>
    )}
    <p>
      The console shows tenants, their keys and their checks. Your role decides what you see and what you can change.
    </p>
    <p>
      <button type="button" className="primary" onClick={() => void onSignIn()}>
        Sign in with Microsoft Entra ID
      </button>
    </p>
  </div>
);
