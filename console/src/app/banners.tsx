import { type QueryClient, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useSyncExternalStore } from 'react';
import { SignInExpired } from './sign-in-expired.ts';

type Trouble = 'none' | 'retrying' | 'expired';

/** Says above every page that the sign-in has expired, or that the service does not answer now. */
export function Banners({ onSignIn }: { onSignIn: () => Promise<void> }): ReactNode {
  const client = useQueryClient();
  const trouble = useSyncExternalStore(
    (onChange) => {
      const stopQueries = client.getQueryCache().subscribe(onChange);
      const stopMutations = client.getMutationCache().subscribe(onChange);
      return () => {
        stopQueries();
        stopMutations();
      };
    },
    () => troubleOf(client),
  );
  return (
    <div role="status" className="banners">
      {trouble === 'retrying' && (
        <p className="banner">The service does not answer. It may be restarting; the console tries again by itself.</p>
      )}
      {trouble === 'expired' && (
        <p className="banner">
          Your sign-in has expired.{' '}
          <button type="button" onClick={() => void onSignIn()}>
            Sign in again
          </button>{' '}
          You come back to this page.
        </p>
      )}
    </div>
  );
}

function troubleOf(client: QueryClient): Trouble {
  const queries = client.getQueryCache().getAll();
  const errors = [...queries, ...client.getMutationCache().getAll()].map(({ state }) => state.error);
  if (errors.some((error) => error instanceof SignInExpired)) return 'expired';
  const isRetrying = queries.some(({ state }) => state.fetchStatus === 'fetching' && state.fetchFailureCount > 0);
  return isRetrying ? 'retrying' : 'none';
}
