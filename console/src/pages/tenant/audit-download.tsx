import { useMutation } from '@tanstack/react-query';
import { type ReactNode, useRef, useState } from 'react';
import { useApi } from '../../app/context.ts';
import { saveFile } from '../../parts/download.ts';
import { Failure } from '../../parts/failure.tsx';

const PAGE = 200;
/** The browser holds the file in memory. */
const MAX_BYTES = 256 * 1024 * 1024;

interface AuditDownloadProps {
  readonly path: string;
  readonly name: string;
  readonly range: { readonly from: string | undefined; readonly to: string | undefined };
}

/** Saves all records of the time range as lines, byte for byte as they are stored. */
export function AuditDownload({ path, name, range }: AuditDownloadProps): ReactNode {
  const api = useApi();
  const [bytes, setBytes] = useState(0);
  const running = useRef<AbortController>(undefined);
  const download = useMutation({
    mutationFn: async () => {
      const controller = new AbortController();
      running.current = controller;
      const parts: Blob[] = [];
      let size = 0;
      let cursor: string | undefined;
      do {
        const query = { ...range, cursor, limit: PAGE };
        const response = await api.raw(path, { query, accept: 'application/x-ndjson', signal: controller.signal });
        const part = await response.blob();
        parts.push(part);
        size += part.size;
        setBytes(size);
        if (size > MAX_BYTES)
          throw new Error('The log is too large for the browser. Choose a shorter time, or use `vaultspan audit`.');
        cursor = response.headers.get('Next-Cursor') ?? undefined;
      } while (cursor !== undefined);
      saveFile(`${name}.ndjson`, new Blob(parts));
    },
  });
  return (
    <>
      <p className="row">
        <button type="button" disabled={download.isPending} onClick={() => download.mutate()}>
          Download as NDJSON
        </button>
        {download.isPending && (
          <>
            <span role="status">{Math.round(bytes / 1_000).toLocaleString()} kB</span>
            <button type="button" onClick={() => running.current?.abort()}>
              Stop
            </button>
          </>
        )}
      </p>
      {download.error && download.error.name !== 'AbortError' && (
        <Failure error={download.error} onRetry={download.mutate} />
      )}
    </>
  );
}
