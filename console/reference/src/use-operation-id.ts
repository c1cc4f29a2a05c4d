import { useSyncExternalStore } from 'react';

/** The name of the first page in addresses. */
export const HOME = 'main';

/**
 * Returns the operation that the address names: `#encryptData`. The last part counts, so links to
 * the earlier page (`#/Data/encryptData`) work too. Empty: the first page.
 */
export function useOperationId(): string {
  const hash = useSyncExternalStore(
    (onChange) => {
      addEventListener('hashchange', onChange);
      return () => removeEventListener('hashchange', onChange);
    },
    () => location.hash,
  );
  const name = hash.slice(hash.lastIndexOf('/') + 1).replace(/^#/, '');
  return name === HOME ? '' : name;
}
