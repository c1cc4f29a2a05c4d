import type { ReactNode } from 'react';

export const Loading = ({ what = 'the page' }: { what?: string }): ReactNode => (
  <p className="quiet" role="status">
    Loading {what}…
  </p>
);
