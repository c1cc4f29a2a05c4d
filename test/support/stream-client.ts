import { once } from 'node:events';
import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { Readable } from 'node:stream';
import type { TestService } from './start-service.ts';

export interface StreamAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Whether the answer is complete. */
  readonly isComplete: boolean;
  /** The problem in the answer, if it is one. */
  readonly problem: { readonly code?: string; readonly errors?: readonly { readonly pointer: string }[] };
}

export interface StreamRequest {
  /** Pieces are sent in chunked transfer coding, a buffer with its length. */
  readonly body: Buffer | Iterable<Buffer> | AsyncIterable<Buffer>;
  readonly context?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly token?: string;
}

const contextHeader = (context: unknown): string => Buffer.from(JSON.stringify(context)).toString('base64url');

/** Sends a stream and reads its answer at the same time. Rejects if there is no answer at all. */
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

export interface StreamUnderWay {
  readonly req: ClientRequest;
  readonly res: IncomingMessage;
  readonly received: Buffer[];
  readonly requestId: string;
  /** Resolves with whether the answer is complete. */
  readonly closed: Promise<boolean>;
}

/**
 * Sends the first piece of a stream, which must be at least a segment, and waits for the answer to
 * begin; the body continues.
 */
export async function beginStream(
  service: Pick<TestService, 'url' | 'token'>,
  path: string,
  { body, context, token = service.token() }: Pick<StreamRequest, 'context' | 'token'> & { readonly body: Buffer },
): Promise<StreamUnderWay> {
  const req = request(`${service.url}${path}`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/octet-stream',
      Authorization: `Bearer ${token}`,
      ...(context !== undefined && { 'Encryption-Context': contextHeader(context) }),
    },
  });
  req.on('error', () => undefined).write(body);
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  const received: Buffer[] = [];
  res.on('data', (bytes: Buffer) => received.push(bytes)).on('error', () => undefined);
  const closed = new Promise<boolean>((resolve) => res.on('close', () => resolve(res.complete)));
  return { req, res, received, requestId: String(res.headers['x-request-id']), closed };
}
