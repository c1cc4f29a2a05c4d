import { useMutation } from '@tanstack/react-query';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import type { Api } from '../api/api.ts';
import { useApi } from '../app/context.ts';
import { csvPart } from '../text/csv-part.ts';
import { saveFile } from './download.ts';
import { Failure } from './failure.tsx';

const PAGE = 200;
/** The browser holds the file in memory. */
const MAX_BYTES = 256 * 1024 * 1024;

interface ListDownloadProps {
  readonly path: string;
  /** Of the file, without its ending. */
  readonly name: string;
  readonly format: 'NDJSON' | 'CSV';
  readonly query: Readonly<Record<string, string | undefined>>;
  /** The command that has no limit. */
  readonly command: string;
}

const ACCEPT = { NDJSON: 'application/x-ndjson', CSV: 'text/csv' } as const;

/** Saves all pages of a list as one file. It stops when the page is left. */
export function ListDownload({ path, name, format, query, command }: ListDownloadProps): ReactNode {
  const api = useApi();
  const [bytes, setBytes] = useState(0);
  const running = useRef<AbortController>(undefined);
  useEffect(() => () => running.current?.abort(), []);
  const download = useMutation({
    mutationFn: async () => {
      const controller = new AbortController();
      running.current = controller;
      const parts: string[] = [];
      let size = 0;
      for await (const page of pagesOf(api, path, { ...query, accept: ACCEPT[format] }, controller.signal)) {
        parts.push(format === 'CSV' ? csvPart(page, parts.length === 0) : page);
        size += page.length;
        setBytes(size);
        if (size > MAX_BYTES) throw new Error(`The list is too large for the browser. Choose less, or use ${command}.`);
      }
      saveFile(`${name}.${format.toLowerCase()}`, new Blob(parts));
    },
  });
  return (
    <>
      <p className="row">
        <button type="button" disabled={download.isPending} onClick={() => download.mutate()}>
          Download as {format}
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

async function* pagesOf(
  api: Api,
  path: string,
  { accept, ...query }: Readonly<Record<string, string | undefined>> & { readonly accept: string },
  signal: AbortSignal,
): AsyncGenerator<string> {
  let cursor: string | undefined;
  do {
    const response = await api.raw(path, { query: { ...query, cursor, limit: PAGE }, accept, signal });
    yield await response.text();
    cursor = response.headers.get('Next-Cursor') ?? undefined;
  } while (cursor !== undefined);
}
