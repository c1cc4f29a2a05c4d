import { QueryClient } from '@tanstack/react-query';
import { isPassing } from './api-error.ts';

const MAX_RETRY_DELAY_MS = 10_000;
/** An answer of this age is not read again when a tab or a part of a page is shown: reads are audited. */
const STALE_MS = 60_000;

/**
 * Returns the cache of answers, in memory alone. A read is retried while the service restarts, for
 * about a minute; a change is never sent twice.
 */
export const createQueryClient = (): QueryClient =>
  new QueryClient({
    defaultOptions: {
      queries: {
        retry: (failures, error) => isPassing(error) && failures < 8,
        retryDelay: (failures) => Math.min(1_000 * 2 ** failures, MAX_RETRY_DELAY_MS),
        staleTime: STALE_MS,
        networkMode: 'always',
      },
      mutations: { retry: false, networkMode: 'always' },
    },
  });
