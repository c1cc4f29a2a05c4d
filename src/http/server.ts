import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ServiceError } from '../errors.ts';
import { problemOf, sendProblem } from './problem.ts';

const HEADERS_TIMEOUT_MS = 15_000;
const CHECK_EVERY_MS = 5_000;
const KEEP_ALIVE_MS = 65_000; // longer than the usual balancer's 60 s, so that it is the balancer who closes
/** Keep-alive clients learn in this time that their connection ends with the next answer. */
const CLOSE_GRACE_MS = 2_000;

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
}

/** A listening server that can be drained. */
export interface RunningServer {
  readonly url: string;
  isDraining(): boolean;
  /**
   * Readiness goes off and answers carry `Connection: close` for 2 s; then nothing new is accepted, and what is under way has until
   * the limit. Resolves with the number of connections that were cut.
   */
  drain(limitSeconds: number): Promise<number>;
}

/** Builds the listener with `isDraining`, so that readiness can tell. */
export async function listen(
  createListener: (isDraining: () => boolean) => RequestListener,
  { host, port }: ListenOptions,
): Promise<RunningServer> {
  let draining = false;
  const listener = createListener(() => draining);
  // requestTimeout is off: it would cut long uploads at 300 s. Bodies have deadlines of their own.
  const answers = new WeakMap<Socket, ServerResponse>();
  const options = {
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: 0,
    connectionsCheckingInterval: CHECK_EVERY_MS,
  };
  const server = createServer(
    { ...options, keepAliveTimeout: KEEP_ALIVE_MS },
    (req: IncomingMessage, res: ServerResponse) => {
      answers.set(req.socket, res);
      if (draining) res.setHeader('Connection', 'close');
      listener(req, res);
    },
  );
  // Any expectation but 100-continue, which Node answers by itself.
  server.on('checkExpectation', (_req, res: ServerResponse) => answerUnroutable(res));
  server.on('checkContinue', (req, res: ServerResponse) => {
    // Who refuses without reading spares the client its body.
    req.once('resume', () => {
      if (!res.headersSent) res.writeContinue();
    });
    server.emit('request', req, res);
  });
  server.on('clientError', (error, socket: Socket) => {
    // Half an answer must not go on with the text of another: its client could take that for the rest.
    const answer = answers.get(socket);
    if (answer?.headersSent && !answer.writableFinished) socket.destroy();
    else answerClientError(error, socket);
  });
  const open = openRequests(server);
  await start(server, host, port);
  const address = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
    isDraining: () => draining,
    drain: async (limitSeconds) => {
      draining = true;
      await sleep(Math.min(CLOSE_GRACE_MS, limitSeconds * 1_000));
      return close(server, open, limitSeconds * 1_000 - CLOSE_GRACE_MS);
    },
  };
}

function start(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function openRequests(server: Server): () => number {
  let count = 0;
  server.on('request', (_req, res: ServerResponse) => {
    count += 1;
    res.once('close', () => {
      count -= 1;
    });
  });
  return () => count;
}

async function close(server: Server, open: () => number, limitMs: number): Promise<number> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const timer = new AbortController();
  await Promise.race([closed, sleep(Math.max(0, limitMs), undefined, { signal: timer.signal }).catch(() => undefined)]);
  timer.abort();
  const cut = open();
  server.closeAllConnections();
  await closed;
  return cut;
}

/** A request that no route could even be looked up for. */
export function answerUnroutable(res: ServerResponse): void {
  const failure = new ServiceError('malformed-request', 'This is not a request that can be routed');
  res.setHeader('Connection', 'close');
  sendProblem(res, problemOf(failure, randomUUID()));
}

/** What never became a request gets a problem too: unparsable bytes, headers too large or too slow. */
function answerClientError(error: Error & { readonly code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const failure = new ServiceError('malformed-request', 'This is not a well-formed HTTP request');
  const problem = problemOf(failure, randomUUID());
  const status = statusOf(error.code);
  const body = JSON.stringify({ ...problem, status: Number(status.slice(0, 3)) });
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

function statusOf(code: string | undefined): string {
  if (code === 'HPE_HEADER_OVERFLOW') return '431 Request Header Fields Too Large';
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? '408 Request Timeout' : '400 Bad Request';
}
