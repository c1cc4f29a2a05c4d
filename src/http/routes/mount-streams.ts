import type { Express, Request, RequestHandler, Response } from 'express';
import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { ServiceError } from '../../errors.ts';
import { decodePrefix, SEGMENT_BYTES, type StreamPrefix } from '../../format/stream-format.ts';
import type { StreamWork } from '../../operations/stream-work.ts';
import { admit } from '../admission/admit.ts';
import { setApiHeaders } from '../answers/answer.ts';
import { rateLimitHeaders } from '../answers/rate-limit.ts';
import { assertMediaType, OCTETS } from '../bodies/media-type.ts';
import { type StreamOperation, type StreamOperationId, streamOperations } from '../contract/stream-contract.ts';
import { scopeOf } from '../scope.ts';
import { CONTEXT_POINTER, encryptionContextOf } from '../streams/encryption-context-header.ts';
import { ClientGone, Exchange } from '../streams/exchange.ts';
import { transfer } from '../streams/transfer.ts';
import { createGarbageCount } from '../streams/young-collection.ts';
import { authorizer } from './authorize.ts';
import { type MountDeps, parseQuery } from './mount.ts';

/**
 * The bytes that a stream holds in memory: the segment that is being filled, and the one that is
 * being sent.
 */
const HELD_BYTES = 2 * SEGMENT_BYTES;

/** The parsed input of a stream operation. */
interface StreamInput {
  readonly tenantId: string;
  readonly key: string | undefined;
  /** As `JSON.parse` made it. */
  readonly encryptionContext: unknown;
  /** Length of the request's body; undefined if the client did not declare it. */
  readonly bytes: number | undefined;
  /** Returns the prefix of a sealed stream, read from the body. */
  readonly readPrefix: () => Promise<StreamPrefix>;
}

type StreamHandler = (input: StreamInput, request: AuthenticatedRequest) => Promise<StreamWork>;
export type StreamHandlers = { readonly [K in StreamOperationId]: StreamHandler };

type StreamMountDeps = Pick<MountDeps, 'verifyToken' | 'admission' | 'tenants' | 'quotas' | 'onAnswered'>;

/** Mounts one handler for each stream operation of the contract; a missing one does not compile. */
export function mountStreams(app: Express, handlers: StreamHandlers, deps: StreamMountDeps): void {
  const countBytes = createGarbageCount();
  for (const [id, operation] of Object.entries<StreamOperation>(streamOperations)) {
    const path = operation.path.replace(/\{(\w+)\}/g, ':$1');
    app[operation.method](path, route(operation, handlers[id as StreamOperationId], { ...deps, countBytes }));
  }
}

function route(
  operation: StreamOperation,
  handler: StreamHandler,
  deps: StreamMountDeps & { readonly countBytes: (bytes: number) => void },
): RequestHandler {
  const authorize = authorizer(deps, operation);
  return async (req, res) => {
    const scope = scopeOf(res);
    scope.operation = operation.auditedAs;
    const { request, params } = await authorize(req, res, { params: req.params });
    if (!request) throw new Error('a stream operation without a role');
    const { tenantId } = params as { readonly tenantId: string };
    const held = admit(deps.admission, res, HELD_BYTES);
    held?.add(HELD_BYTES);
    held?.complete();
    const query = parseQuery(operation, req.url, () => req.query) as { readonly key?: string } | undefined;
    assertStreamable(req);
    const exchange = new Exchange(req, res);
    const input = {
      tenantId,
      key: query?.key,
      encryptionContext: encryptionContextOf(req),
      bytes: bodyLength(req),
      readPrefix: () => readPrefix(exchange),
    };
    try {
      const work = await handler(input, request).catch((error: unknown) => {
        throw inRequestOfStream(error);
      });
      await transfer(exchange, work, () => setHead(res, work), deps.countBytes);
      deps.onAnswered?.(scope, res.statusCode);
    } catch (error) {
      if (error instanceof ClientGone) return;
      throw error;
    }
  };
}

function assertStreamable(req: Request): void {
  if (req.httpVersion === '1.0') {
    throw new ServiceError(
      'http-version',
      'Streams need HTTP/1.1: a truncated response would look complete in HTTP/1.0',
    );
  }
  assertMediaType(req.headers, OCTETS);
}

/**
 * Returns the declared length. llhttp has checked that it is a number, and that the body has so
 * many bytes.
 */
function bodyLength({ headers }: Request): number | undefined {
  const { 'content-length': length, 'transfer-encoding': encoding } = headers;
  if (encoding !== undefined) return undefined;
  return length === undefined ? 0 : Number(length);
}

async function readPrefix(exchange: Exchange): Promise<StreamPrefix> {
  let start = Buffer.alloc(0);
  for (;;) {
    const piece = await exchange.next();
    if (!piece) throw new ServiceError('malformed-ciphertext', 'The stream ends within its header');
    start = Buffer.concat([start, piece]);
    const prefix = decodePrefix(start);
    if (!prefix) continue;
    exchange.unread(start.subarray(prefix.bytes));
    return prefix;
  }
}

function setHead(res: Response, { keyId, answerBytes }: StreamWork): void {
  setApiHeaders(res);
  const { requestId, limits } = scopeOf(res);
  res.setHeader('X-Request-Id', requestId);
  const [policyName = '', policy = '', stateName = '', state = ''] = limits ? rateLimitHeaders(limits) : [];
  if (limits) res.setHeader(policyName, policy).setHeader(stateName, state);
  res.setHeader('Content-Type', 'application/octet-stream');
  res.setHeader('Key-Id', keyId);
  if (answerBytes !== undefined) res.setHeader('Content-Length', answerBytes);
}

/** Operations name fields as in a JSON body. */
const PLACES: Readonly<Record<string, string>> = {
  '/encryptionContext': CONTEXT_POINTER,
  '/key': '/query/key',
  '/ciphertext': '',
};

function inRequestOfStream(error: unknown): unknown {
  if (!(error instanceof ServiceError) || !error.errors) return error;
  const errors = error.errors.map(({ pointer, detail }) => ({ pointer: PLACES[pointer] ?? pointer, detail }));
  return error.with({ errors, cause: error });
}
