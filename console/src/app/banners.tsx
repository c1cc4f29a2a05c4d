import { type QueryClient, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useSyncExternalStore } from 'react';

/** Says above every page that the service does not answer now. */
export function Banners(): ReactNode {
  const client = useQueryClient();
  const isRetrying = useSyncExternalStore(
    (onChange) => client.getQueryCache().subscribe(onChange),
    () => isAnyRetrying(client),
  );
  return (
    <div role="status" className="banners">
      {isRetrying && (
        <p className="banner">The service does not answer. It may be restarting; the console tries again by itself.</p>
      )}
    </div>
  );
}

const isAnyRetrying = (client: QueryClient): boolean =>
  client
    .getQueryCache()
    .getAll()
    .some(({ state }) => state.fetchStatus === 'fetching' && state.fetchFailureCount > 0);
