import type { ReactNode } from 'react';
import { parseKeyId } from '../text/key-id.ts';

/** A key version, short enough to read; the whole id is in its title and is copied with it. */
export function KeyName({ keyId }: { keyId: string }): ReactNode {
  const parts = parseKeyId(keyId);
  if (!parts) return <code className="break">{keyId}</code>;
  return (
    <span title={keyId}>
      <code>{parts.name}</code>
      {parts.version !== undefined && (
        <>
          {' '}
          version <code>{parts.version.slice(0, 8)}</code>
        </>
      )}{' '}
      <span className="quiet">in {parts.vault}</span>
    </span>
  );
}
