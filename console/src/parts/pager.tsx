import { type ReactNode, useState } from 'react';

export interface Cursors {
  /** Undefined on the first page. */
  readonly cursor: string | undefined;
  readonly page: number;
  next(cursor: string): void;
  previous(): void;
}

/** Returns the place in a list that is read page by page. Another list starts at its first page. */
export function useCursors(list: string): Cursors {
  const [paging, setPaging] = useState<{ list: string; cursors: readonly string[] }>({ list, cursors: [] });
  const cursors = paging.list === list ? paging.cursors : [];
  return {
    cursor: cursors.at(-1),
    page: cursors.length + 1,
    next: (cursor) => setPaging({ list, cursors: [...cursors, cursor] }),
    previous: () => setPaging({ list, cursors: cursors.slice(0, -1) }),
  };
}

interface PagerProps {
  readonly label: string;
  readonly cursors: Cursors;
  readonly nextCursor: string | undefined;
  readonly isLoading: boolean;
}

/** Shows nothing if there is one page only. */
export function Pager({ label, cursors, nextCursor, isLoading }: PagerProps): ReactNode {
  if (nextCursor === undefined && cursors.page === 1) return null;
  return (
    <nav aria-label={label} className="row">
      <button type="button" disabled={cursors.page === 1} onClick={cursors.previous}>
        Previous page
      </button>
      <span>Page {cursors.page}</span>
      <button
        type="button"
        disabled={nextCursor === undefined || isLoading}
        onClick={() => nextCursor !== undefined && cursors.next(nextCursor)}
      >
        Next page
      </button>
    </nav>
  );
}
