import { type IncomingHttpHeaders, request } from 'node:http';
import { Readable } from 'node:stream';
import type { TestService } from './start-service.ts';

export interface StreamAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Whether the answer came to its end. */
  readonly isComplete: boolean;
  /** Of an answer that is a problem. */
  readonly problem: { readonly code?: string; readonly errors?: readonly { readonly pointer: string }[] };
}

export interface StreamRequest {
  /** Pieces are sent in chunked transfer coding, a buffer with its length. */
  readonly body: Buffer | Iterable<Buffer> | AsyncIterable<Buffer>;
  readonly context?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly token?: string;
}

export const contextHeader = (context: unknown): string => Buffer.from(JSON.stringify(context)).toString('base64url');

/** Sends a stream and reads its answer at the same time. Rejects where there is no answer at all. */
export function postStream(
  service: Pick<TestService, 'url' | 'token'>,
  path: string,
  { body, context, headers = {}, token = service.token() }: StreamRequest,
): Promise<StreamAnswer> {
  return new Promise((resolve, reject) => {
    const req = request(`${service.url}${path}`, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/octet-stream',
        ...(token !== '' && { Authorization: `Bearer ${token}` }),
        ...(context !== undefined && { 'Encryption-Context': contextHeader(context) }),
        ...(Buffer.isBuffer(body) && { 'Content-Length': String(body.length) }),
        ...headers,
      },
    });
    let isAnswered = false;
    req.on('error', (error) => {
      if (!isAnswered) reject(error);
    });
    req.on('response', (res) => {
      isAnswered = true;
      const pieces: Buffer[] = [];
      res.on('data', (piece: Buffer) => pieces.push(piece)).on('error', () => undefined);
      res.on('close', () => {
        const all = Buffer.concat(pieces);
        const isProblem = res.headers['content-type'] === 'application/problem+json';
        const problem = isProblem ? (JSON.parse(all.toString()) as StreamAnswer['problem']) : {};
        resolve({ status: res.statusCode ?? 0, headers: res.headers, body: all, isComplete: res.complete, problem });
        req.destroy();
      });
    });
    const source = Buffer.isBuffer(body) ? Readable.from([body], { objectMode: false }) : Readable.from(body);
    source.on('error', (error) => req.destroy(error)).pipe(req);
  });
}
