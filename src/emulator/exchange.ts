import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

const MAX_BODY_BYTES = 1_048_576;

/** One request as the sites see it, and the fields that its log entry will have. */
export interface Exchange {
  readonly method: string;
  readonly path: string;
  /** Decoded; a trailing slash adds no segment. */
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: () => Promise<Buffer>;
  tenantId?: string;
  appId?: string;
  errorCode?: string;
}

export class MalformedRequest extends Error {
  override readonly name = 'MalformedRequest';
}

export function exchangeOf(request: IncomingMessage): Exchange {
  const url = request.url ?? '/';
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  return {
    method: request.method ?? 'GET',
    path,
    segments: decode(path),
    query: new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1)),
    headers: request.headers,
    body: () => readBody(request),
  };
}

function decode(path: string): string[] {
  const segments = path.split('/').filter((segment) => segment !== '');
  if (!path.includes('%')) return segments;
  try {
    return segments.map(decodeURIComponent);
  } catch {
    throw new MalformedRequest('The path is not well encoded');
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new MalformedRequest(`The body is longer than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}
