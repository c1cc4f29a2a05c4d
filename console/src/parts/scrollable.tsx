import type { ReactNode } from 'react';

interface ScrollableProps {
  readonly label: string;
  readonly className: string;
  readonly children: ReactNode;
}

/**
 * Content that scrolls by itself on a narrow screen, also by keyboard. It is a group and no
 * landmark, since a page has many.
 */
export const Scrollable = ({ label, className, children }: ScrollableProps): ReactNode => (
  // biome-ignore lint/a11y/useSemanticElements: a fieldset is for controls
  // biome-ignore lint/a11y/noNoninteractiveTabindex: keyboards must reach it to scroll
  <div role="group" className={className} tabIndex={0} aria-label={label}>
    {children}
  </div>
);
