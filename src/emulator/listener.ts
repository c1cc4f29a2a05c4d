import { randomUUID } from 'node:crypto';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { type Exchange, exchangeOf, MalformedRequest } from './exchange.ts';
import { type Fault, type Faults, garbageOf } from './faults.ts';
import type { Reply } from './reply.ts';
import type { RequestLog } from './request-log.ts';
import type { PemPair } from './state.ts';

const LOOPBACK = '127.0.0.1';
const KEEP_ALIVE_MS = 65_000;

/** The handler of one port: Entra with Graph, or one vault. */
export interface Site {
  /** The site's name in the log and in faults. */
  readonly at: string;
  /** The header in which clients name their requests; it is echoed. */
  readonly requestIdHeader: string;
  readonly isRefusing: () => boolean;
  readonly operationOf: (exchange: Exchange) => string;
  readonly handle: (exchange: Exchange) => Promise<Reply> | Reply;
  /** `exchange` is absent for a request whose path is not well encoded. */
  readonly failure: (status: number, code: string, message: string, exchange?: Exchange) => Reply;
  /** Called for each answered request; a site can keep its own log with it. */
  readonly onAnswer?: (exchange: Exchange, answer: Answer) => void;
  /** Returns the status of a code here, for an ordered failure without one. */
  readonly statusOf?: (code: string) => number | undefined;
  /** Other sites on the same port, each for the paths with a prefix. */
  readonly branches?: readonly { readonly prefix: string; readonly site: Site }[];
}

export interface Answer {
  readonly status: number;
  /** `x-ms-request-id`. */
  readonly requestId: string;
}

export interface Listener {
  readonly port: number;
  dropConnections(): void;
  close(): Promise<void>;
}

export interface ListenerDeps {
  readonly tls: PemPair;
  readonly faults: Faults;
  readonly log: RequestLog;
  readonly now: () => number;
}

export async function openSite(deps: ListenerDeps, site: Site, port: number, what: string): Promise<Listener> {
  const server = createServer(
    { cert: deps.tls.certPem, key: deps.tls.keyPem, keepAliveTimeout: KEEP_ALIVE_MS },
    answering(deps, site),
  );
  server.on('connection', (socket) => {
    if (site.isRefusing()) socket.destroy();
  });
  return listen(server, port, what);
}

export async function listen(server: Server, port: number, what: string): Promise<Listener> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(explain(error, port, what)));
    server.listen(port, LOOPBACK, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    dropConnections: () => server.closeAllConnections(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        // Node does not count connections that are still in their handshake.
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function explain(error: NodeJS.ErrnoException, port: number, what: string): Error {
  if (error.code !== 'EADDRINUSE' && error.code !== 'EACCES') return error;
  const trouble = error.code === 'EACCES' ? 'may not be used' : 'is taken';
  return new Error(`Port ${port} ${trouble}; the emulated Azure wanted it for ${what}`, { cause: error });
}

/** Returns the handler of a site's requests. */
export const answering =
  (deps: ListenerDeps, site: Site): RequestListener =>
  (request, response) => {
    answer(deps, siteFor(site, request), request, response).catch(() => response.destroy());
  };

const siteFor = (site: Site, { url = '' }: IncomingMessage): Site =>
  site.branches?.find(({ prefix }) => url.startsWith(prefix))?.site ?? site;

async function answer(
  deps: ListenerDeps,
  site: Site,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const exchange = tryExchange(request);
  const operation = exchange === undefined ? 'unknown' : site.operationOf(exchange);
  const fault = deps.faults.take(site.at, operation);
  if (fault?.delayMs !== undefined) await deps.faults.pause(fault.delayMs);
  const reply = await outcome(site, exchange, fault);
  const requestId = randomUUID();
  deps.log.add({
    time: new Date(deps.now()).toISOString(),
    at: site.at,
    operation,
    method: request.method ?? 'GET',
    path: exchange?.path ?? '',
    status: typeof reply === 'string' ? 0 : reply.status,
    requestId,
    ...logged(site, exchange),
  });
  if (reply === 'hang') return;
  if (reply === 'reset') {
    response.destroy();
    return;
  }
  if (exchange !== undefined) site.onAnswer?.(exchange, { status: reply.status, requestId });
  send(site, { request, response, requestId }, reply);
}

function tryExchange(request: IncomingMessage): Exchange | undefined {
  try {
    return exchangeOf(request);
  } catch {
    return undefined;
  }
}

async function outcome(
  site: Site,
  exchange: Exchange | undefined,
  fault: Fault | undefined,
): Promise<Reply | 'hang' | 'reset'> {
  if (exchange === undefined) return site.failure(400, 'BadParameter', 'The path is not well encoded');
  switch (fault?.kind) {
    case 'hang':
    case 'reset':
      return fault.kind;
    case 'garbage':
      return garbageOf(fault);
    case 'status':
      return faultReply(site, exchange, fault);
    case 'delay':
    case undefined:
      return handled(site, exchange);
  }
}

function faultReply(site: Site, exchange: Exchange, fault: Fault): Reply {
  const status = fault.status ?? site.statusOf?.(fault.code ?? '') ?? 503;
  const code = fault.code ?? (status === 429 ? 'Throttled' : 'ServiceUnavailable');
  exchange.errorCode = code;
  const reply = site.failure(status, code, 'This failure was ordered from the control listener.', exchange);
  return { ...reply, headers: { ...reply.headers, ...fault.headers } };
}

async function handled(site: Site, exchange: Exchange): Promise<Reply> {
  try {
    return await site.handle(exchange);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof MalformedRequest) return site.failure(400, 'BadParameter', message, exchange);
    exchange.errorCode = 'InternalServerError';
    return site.failure(500, 'InternalServerError', `The emulator failed: ${message}`, exchange);
  }
}

function logged(site: Site, exchange: Exchange | undefined): Record<string, string> {
  const clientRequestId = exchange?.headers[site.requestIdHeader];
  const { traceparent, tracestate } = exchange?.headers ?? {};
  return {
    ...(exchange?.tenantId !== undefined && { tenantId: exchange.tenantId }),
    ...(exchange?.appId !== undefined && { appId: exchange.appId }),
    ...(typeof clientRequestId === 'string' && { clientRequestId }),
    ...(typeof traceparent === 'string' && { traceparent }),
    ...(typeof tracestate === 'string' && { tracestate }),
    ...(exchange?.errorCode !== undefined && { errorCode: exchange.errorCode }),
  };
}

interface Sending {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
}

function send(site: Site, { request, response, requestId }: Sending, reply: Reply): void {
  const body = bodyText(reply.body);
  const clientRequestId = request.headers[site.requestIdHeader];
  response.writeHead(reply.status, {
    ...(body !== '' && { 'content-type': 'application/json; charset=utf-8' }),
    ...(clientRequestId !== undefined && { [site.requestIdHeader]: clientRequestId }),
    'x-ms-request-id': requestId,
    'cache-control': 'no-store',
    ...reply.headers,
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

function bodyText(body: unknown): string {
  if (body === undefined) return '';
  return typeof body === 'string' ? body : JSON.stringify(body);
}
