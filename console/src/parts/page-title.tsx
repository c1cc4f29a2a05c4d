import { type ReactNode, useEffect, useRef } from 'react';

/**
 * The heading of a page. It takes the focus when the page opens, so that keyboards and screen
 * readers start there, and names the tab.
 */
export function PageTitle({ children }: { children: string }): ReactNode {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${children} · Vaultspan`;
    heading.current?.focus({ preventScroll: true });
  }, [children]);
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children}
    </h1>
  );
}
