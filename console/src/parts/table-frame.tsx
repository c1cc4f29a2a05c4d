import type { ReactNode } from 'react';

/** A table that scrolls sideways by itself on a narrow screen, also by keyboard. */
export const TableFrame = ({ label, children }: { label: string; children: ReactNode }): ReactNode => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls sideways, so keyboards must reach it
  <section className="table-frame" tabIndex={0} aria-label={label}>
    <table>{children}</table>
  </section>
);
