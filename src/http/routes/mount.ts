import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Express, RequestHandler } from 'express';
import * as z from 'zod';
import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { ServiceError } from '../../errors.ts';
import { releaseMemory } from '../../lib/memory.ts';
import { parseInput } from '../../lib/parse-input.ts';
import { type Admission, declaredBytes } from '../admission/admission.ts';
import { admit } from '../admission/admit.ts';
import { sendBytes, sendNothing, sendPieces, sendText } from '../answers/answer.ts';
import { markAnswered } from '../answers/answer-end.ts';
import type { Encoded } from '../answers/encode-answer.ts';
import { encodeCsv } from '../answers/encode-csv.ts';
import { NDJSON, openProgress, type Progress } from '../answers/progress.ts';
import { rateLimitHeaders } from '../answers/rate-limit.ts';
import { type BodyLimit, type BodyLimitOptions, bodyLimitOf } from '../bodies/body-limit.ts';
import { type DataReaders, dataReaders } from '../bodies/data-readers.ts';
import { parseJson } from '../bodies/parse-json.ts';
import { createBodyReader, type ReadBody } from '../bodies/read-body.ts';
import { type OperationId, type Operations, operations } from '../contract/contract.ts';
import type { Operation } from '../contract/operation.ts';
import { streamOperations } from '../contract/stream-contract.ts';
import { type OnAnswered, type RequestScope, scopeOf } from '../scope.ts';
import { type AuthorizeDeps, authorizer } from './authorize.ts';
import { mountWebhookHandshake } from './webhook-handshake.ts';

type Out<T> = T extends z.ZodType ? z.output<T> : undefined;
/** The body as a reader of its bytes returns it. */
type Read<K extends OperationId> = K extends keyof DataReaders ? Exclude<ReturnType<DataReaders[K]>, undefined> : never;
type Part<K extends OperationId, P extends string> = Operations[K] extends Record<P, infer T> ? Out<T> : undefined;

interface Input<K extends OperationId> {
  readonly params: Part<K, 'params'>;
  readonly query: Part<K, 'query'>;
  readonly body: Part<K, 'body'> | Read<K> | (Operations[K] extends { bodyWith: object } ? undefined : never);
  /** The header as received, for operations that read it. */
  readonly ifMatch: string | undefined;
  readonly requestId: string;
  readonly progress: Operations[K] extends { steps: true } ? Progress : undefined;
  /** Makes the request no longer count as concurrent, for a wait that many requests share. */
  readonly stepAside: () => void;
}

type DeepReadonly<T> = T extends object ? { readonly [P in keyof T]: DeepReadonly<T[P]> } : T;
/** An answer with an encoder of its own has the type that the encoder takes, such as bytes for text. */
type Answer<K extends OperationId> = Operations[K] extends { raw: string }
  ? string | Buffer
  : Operations[K] extends { encode: (answer: infer T) => string | readonly Buffer[] }
    ? T
    : Operations[K] extends { response: infer T extends z.ZodType }
      ? DeepReadonly<z.input<T>> | (Operations[K] extends { isAccepted: true } ? undefined : never)
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

/** The parts of a request that its route found. */
interface Routed {
  /** The parameters of the path. */
  readonly params: unknown;
  /** Set if they are parsed; the schema parses them otherwise. */
  readonly areParamsParsed?: true;
  /** Returns the query; absent on a route whose path cannot have one. */
  readonly query?: () => unknown;
  /** Returns whether the caller prefers this media type to JSON; absent on a route without others. */
  readonly prefers?: (type: string) => boolean;
}

/** Handles a request of one operation. Rejects with the failure, which is not answered yet. */
export type Handle = (req: IncomingMessage, res: ServerResponse, routed: Routed) => Promise<void>;

export interface Route {
  readonly operation: Operation;
  readonly handle: Handle;
}

/** Returns one route for each operation of the contract; a missing handler does not compile. */
export function routesOf(handlers: Handlers, deps: MountDeps): readonly Route[] {
  const readBody = createBodyReader(deps.bodyTimeoutMs);
  return Object.entries<Operation>(operations).map(([id, operation]) => ({
    operation,
    handle: handleOf(id, operation, handlers[id as OperationId] as Handler<never>, { ...deps, readBody }),
  }));
}

/** Mounts the routes in Express. Other methods on their paths are refused. */
export function mount(app: Express, routes: readonly Route[]): void {
  for (const { operation, handle } of routes) {
    const path = operation.path.replace(/\{(\w+)\}/g, (_all, name) =>
      name === operation.rest ? `*${name}` : `:${name}`,
    );
    app[operation.method](path, (req, res) =>
      handle(req, res, {
        params: joined(req.params, operation),
        query: () => req.query,
        prefers: (type) => req.accepts(['application/json', type]) === type,
      }),
    );
  }
  mountWebhookHandshake(app);
  app.use(methodNotAllowed);
}

/** Returns the parameters of a path; the parts of one that may have slashes are joined. */
function joined(params: Readonly<Record<string, string | string[]>>, { rest }: Operation): unknown {
  const parts = rest === undefined ? undefined : params[rest];
  return rest !== undefined && Array.isArray(parts) ? { ...params, [rest]: parts.join('/') } : params;
}

function handleOf(
  id: string,
  operation: Operation,
  handler: Handler<never>,
  deps: MountDeps & { readonly readBody: ReadBody },
): Handle {
  const read = (dataReaders as Readonly<Record<string, ((bytes: Buffer) => unknown) | undefined>>)[id];
  const authorize = authorizer(deps, operation);
  const limit = bodyLimitOf(deps, operation);
  const parse = (schema: z.ZodType, bytes: Buffer): unknown => {
    const body = read?.(bytes) ?? parseBody(schema, bytes, limit);
    releaseMemory(bytes); // the body's fields have memory of their own
    return body;
  };
  return async (req, res, routed) => {
    const scope = scopeOf(res);
    scope.operation = operation.auditedAs ?? id;
    const authorized = authorize(req, res, routed);
    const { request, params } = authorized instanceof Promise ? await authorized : authorized;
    const held = admit(deps.admission, res, operation.body ? declaredBytes(req, limit) : 0);
    const query = parseQuery(operation, req.url ?? '', routed.query);
    const { bodyType: expected } = operation;
    const schema = hasBody(operation, req) ? operation.body : undefined;
    const bytes = schema && (await deps.readBody(req, { limit, expected, held }));
    const body = schema && bytes && parse(schema, bytes);
    const ifMatch = operation.ifMatch && req.headers['if-match'];
    const progress = operation.steps && openProgress(res, scope.requestId, routed.prefers?.(NDJSON) ?? false);
    const stepAside = () => markAnswered(res);
    const input = { params, query, body, ifMatch, requestId: scope.requestId, progress, stepAside };
    const answer: unknown = await handler(input as never, request as never);
    if (!progress?.end(answer)) send(operation, answer, res, headersOf(operation, scope, answer), routed.prefers);
    deps.onAnswered?.(scope, res.statusCode);
  };
}

function headersOf({ etag }: Operation, { requestId, limits }: RequestScope, answer: unknown): string[] {
  const headers = ['X-Request-Id', requestId];
  if (limits) headers.push(...rateLimitHeaders(limits));
  if (etag) headers.push('ETag', `"${(answer as { readonly revision: string }).revision}"`);
  return headers;
}

const hasBody = ({ bodyWith }: Operation, { headers }: IncomingMessage): boolean =>
  bodyWith === undefined || headers[bodyWith.header] === bodyWith.value;

const parseBody = (schema: z.ZodType, bytes: Buffer, { values }: BodyLimit): unknown =>
  parseInput(schema, parseJson(bytes, { maxValues: values }), '');

const NO_QUERY = z.strictObject({});

/**
 * Returns the parsed query. An operation without parameters accepts none; a path without a question
 * mark is not parsed.
 */
export function parseQuery(
  { query, role }: Pick<Operation, 'query' | 'role'>,
  url: string,
  read: () => unknown = () => ({}),
): unknown {
  if (query) return parseInput(query, read(), '/query');
  return role !== undefined && url.includes('?') ? parseInput(NO_QUERY, read(), '/query') : undefined;
}

function send(
  { response, raw, lines, csv, isAccepted, encode = JSON.stringify }: Operation,
  answer: unknown,
  res: ServerResponse,
  headers: string[],
  prefers: (type: string) => boolean = () => false,
): void {
  if (raw !== undefined) sendBytes(res, raw, Buffer.from(answer as string | Buffer), headers);
  else if (lines !== undefined) sendList(answer, res, headers, prefers(NDJSON) && linesOf(lines));
  else if (csv) sendList(answer, res, headers, prefers(CSV) && csvOf(csv.member, csv.columns));
  // Not `res.json`: its ETag costs a hash of every answer, and our answers are never cached.
  else if (response && answer !== undefined) sendJson(res, encode(answer as never), headers);
  else sendNothing(res, headers, isAccepted ? 202 : 204);
}

function sendJson(res: ServerResponse, json: Encoded, headers: string[]): void {
  if (typeof json === 'string') sendText(res, 200, 'application/json', json, headers);
  else sendPieces(res, 'application/json', json, headers);
}

/**
 * Sends a list as JSON or, if the caller prefers it, as rows of another type, with the cursor in a
 * header.
 */
function sendList(answer: unknown, res: ServerResponse, headers: string[], rows: ListRows | false): void {
  headers.push('Vary', 'Accept');
  if (!rows) {
    sendText(res, 200, 'application/json', JSON.stringify(answer), headers);
    return;
  }
  const { nextCursor, ...members } = answer as { readonly [name: string]: unknown; readonly nextCursor?: string };
  if (nextCursor !== undefined) headers.push('Next-Cursor', nextCursor);
  sendText(res, 200, rows.type, rows.encode(members[rows.member] as readonly object[]), headers);
}

/** Another form of one member of an answer. */
interface ListRows {
  readonly member: string;
  readonly type: string;
  readonly encode: (items: readonly object[]) => string;
}

const CSV = 'text/csv';

const linesOf = (member: string): ListRows => ({
  member,
  type: NDJSON,
  encode: (items) => items.map((item) => `${JSON.stringify(item)}\n`).join(''),
});

const csvOf = (member: string, columns: readonly string[]): ListRows => ({
  member,
  type: `${CSV}; charset=utf-8; header=present`,
  encode: (items) => encodeCsv(columns, items),
});

const MOUNTED: readonly Pick<Operation, 'method' | 'path' | 'rest'>[] = [
  ...Object.values(operations),
  ...Object.values(streamOperations),
];
const ROUTES = [...Map.groupBy(MOUNTED, ({ path }) => path)].map(([path, some]) => ({
  pattern: new RegExp(`^${path.replace(/\{(\w+)\}/g, (_all, name) => (name === some[0]?.rest ? '.+' : '[^/]+'))}$`),
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
