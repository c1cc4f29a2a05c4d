import type { Express, Request, RequestHandler, Response } from 'express';
import * as z from 'zod';
import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { ServiceError } from '../../errors.ts';
import { parseInput } from '../../lib/parse-input.ts';
import { type Admission, declaredBytes } from '../admission/admission.ts';
import { admit } from '../admission/admit.ts';
import { sendNothing, sendText } from '../answers/answer.ts';
import { type BodyLimitOptions, bodyLimitOf } from '../bodies/body-limit.ts';
import { readJson } from '../bodies/read-json.ts';
import { type OperationId, type Operations, operations } from '../contract/contract.ts';
import type { Operation } from '../contract/operation.ts';
import { streamOperations } from '../contract/stream-contract.ts';
import { type OnAnswered, scopeOf } from '../scope.ts';
import { type AuthorizeDeps, authorizer } from './authorize.ts';

type Out<T> = T extends z.ZodType ? z.output<T> : undefined;
type Part<K extends OperationId, P extends string> = Operations[K] extends Record<P, infer T> ? Out<T> : undefined;

interface Input<K extends OperationId> {
  readonly params: Part<K, 'params'>;
  readonly query: Part<K, 'query'>;
  readonly body: Part<K, 'body'>;
  /** The header as received, for operations that read it. */
  readonly ifMatch: string | undefined;
}

type DeepReadonly<T> = T extends object ? { readonly [P in keyof T]: DeepReadonly<T[P]> } : T;
type Encodable<O> = O extends { encode: (answer: infer T) => string } ? T : unknown;
type Answer<K extends OperationId> = Operations[K] extends { response: infer T extends z.ZodType }
  ? DeepReadonly<z.input<T>> & Encodable<Operations[K]>
  : undefined;

/** Takes plain input and returns a plain answer; operations with a role have a `request`. */
export type Handler<K extends OperationId> = (
  input: Input<K>,
  request: Operations[K] extends { role: string } ? AuthenticatedRequest : undefined,
) => Promise<Answer<K>> | Answer<K>;

export type Handlers = { readonly [K in OperationId]: Handler<K> };

export interface MountDeps extends AuthorizeDeps, BodyLimitOptions {
  readonly admission: Pick<Admission, 'admit' | 'countCall'>;
  readonly bodyTimeoutMs: number;
  readonly onAnswered: OnAnswered | undefined;
}

/**
 * Mounts one handler for each operation of the contract; a missing one does not compile. Other
 * methods on its path are refused.
 */
export function mount(app: Express, handlers: Handlers, deps: MountDeps): void {
  for (const [id, operation] of Object.entries<Operation>(operations)) {
    const path = operation.path.replace(/\{(\w+)\}/g, ':$1');
    app[operation.method](path, route(id, operation, handlers[id as OperationId] as Handler<never>, deps));
  }
  app.use(methodNotAllowed);
}

function route(id: string, operation: Operation, handler: Handler<never>, deps: MountDeps): RequestHandler {
  const authorize = authorizer(deps, operation);
  const limit = bodyLimitOf(deps, operation);
  return async (req, res) => {
    const scope = scopeOf(res);
    scope.operation = operation.auditedAs ?? id;
    const { request, params } = await authorize(req, res);
    const held = admit(deps.admission, res, operation.body ? declaredBytes(req, limit) : 0);
    const query = parseQuery(operation, req);
    const body =
      operation.body &&
      parseInput(
        operation.body,
        await readJson(req, { limit, timeoutMs: deps.bodyTimeoutMs, expected: operation.bodyType, held }),
        '',
      );
    const ifMatch = operation.ifMatch && req.headers['if-match'];
    const answer: unknown = await handler({ params, query, body, ifMatch } as never, request as never);
    const headers = ['X-Request-Id', scope.requestId];
    if (operation.etag) headers.push('ETag', `"${(answer as { readonly revision: string }).revision}"`);
    send(operation, answer, req, res, headers);
    deps.onAnswered?.(scope, res.statusCode);
  };
}

const NO_QUERY = z.strictObject({});

/**
 * Returns the parsed query. An operation without parameters accepts none; a path without a question
 * mark is not parsed.
 */
export function parseQuery({ query, role }: Pick<Operation, 'query' | 'role'>, req: Request): unknown {
  if (query) return parseInput(query, req.query, '/query');
  return role !== undefined && req.url.includes('?') ? parseInput(NO_QUERY, req.query, '/query') : undefined;
}

function send(
  { response, lines, encode = JSON.stringify }: Operation,
  answer: unknown,
  req: Request,
  res: Response,
  headers: string[],
): void {
  if (lines !== undefined) sendList(answer, lines, req, res, headers);
  // Not `res.json`: its ETag costs a hash of every answer, and our answers are never cached.
  else if (response) sendText(res, 200, 'application/json', encode(answer as never), headers);
  else sendNothing(res, headers);
}

/**
 * Sends a list as JSON or, if the caller prefers it, each item as a line, with the cursor in a
 * header.
 */
function sendList(answer: unknown, member: string, req: Request, res: Response, headers: string[]): void {
  headers.push('Vary', 'Accept');
  if (req.accepts(['application/json', NDJSON]) !== NDJSON) {
    sendText(res, 200, 'application/json', JSON.stringify(answer), headers);
    return;
  }
  const { [member]: items, nextCursor } = answer as { readonly [name: string]: unknown; readonly nextCursor?: string };
  if (nextCursor !== undefined) headers.push('Next-Cursor', nextCursor);
  const text = (items as readonly unknown[]).map((item) => `${JSON.stringify(item)}\n`).join('');
  sendText(res, 200, NDJSON, text, headers);
}

const NDJSON = 'application/x-ndjson';

const MOUNTED: readonly Pick<Operation, 'method' | 'path'>[] = [
  ...Object.values(operations),
  ...Object.values(streamOperations),
];
const ROUTES = [...Map.groupBy(MOUNTED, ({ path }) => path)].map(([path, some]) => ({
  pattern: new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`),
  allowed: some.map(({ method }) => (method === 'get' ? 'GET, HEAD' : method.toUpperCase())).join(', '),
}));

const methodNotAllowed: RequestHandler = (req, res, next) => {
  const route = ROUTES.find(({ pattern }) => pattern.test(req.path));
  if (!route) {
    next();
    return;
  }
  res.setHeader('Allow', route.allowed);
  throw new ServiceError('method-not-allowed', `This route supports ${route.allowed}`);
};
