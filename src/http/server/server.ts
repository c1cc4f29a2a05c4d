import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { ServiceError } from '../../errors.ts';
import { answerProblem, problemOf } from '../answers/problem.ts';
import { DEADLINES, type Deadlines } from './deadlines.ts';
import { boundIdleConnections } from './idle-connections.ts';
import { isPlainRequest } from './plain-request.ts';
import type { ServedCertificate } from './served-certificate.ts';

const HANDSHAKE_TIMEOUT_MS = 15_000;
const KEEP_ALIVE_MS = 65_000; // longer than a load balancer's usual 60 s, so that the load balancer closes first
/** Each costs 10 to 50 kB, most of it when the service itself terminates TLS. */
const MAX_IDLE_CONNECTIONS = 5_000;
/** In this time keep-alive clients learn that their connection ends with the next answer. */
const CLOSE_GRACE_MS = 2_000;

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  /** Allows other processes to listen on the same port. */
  readonly reusePort?: boolean;
  /** Absent: plain HTTP. */
  readonly certificate?: ServedCertificate | undefined;
  /** Default: the service's own; tests of slow clients set others. */
  readonly deadlines?: Deadlines;
  /** Connections that wait for a request; only tests set another number. */
  readonly maxIdleConnections?: number;
  /** Called for each accepted connection. */
  readonly onConnection?: () => void;
  /** Called for each client without a certificate of the configured CAs. */
  readonly onRefusedClient?: () => void;
}

/** A listening server that can be drained. */
export interface RunningServer {
  readonly url: string;
  /** Returns the number of current requests. */
  openRequests(): number;
  /**
   * Drains the server. For 2 s, readiness fails and answers carry `Connection: close`. Then no new
   * connection is accepted, and current requests have until the limit. On a shared port no new
   * connection is accepted from the start: it goes to the other processes, unless none of them
   * stays. Resolves with the number of connections that were cut.
   */
  drain(limitMs: number, hurry?: AbortSignal, othersStay?: boolean): Promise<number>;
}

/**
 * Returns the running server. It builds the listener with `isDraining`, so that readiness can
 * report it.
 */
export async function listen(
  createListener: (isDraining: () => boolean) => RequestListener,
  options: ListenOptions,
): Promise<RunningServer> {
  const { host, reusePort = false } = options;
  let draining = false;
  const listener = createListener(() => draining);
  const answers = new WeakMap<Socket, ServerResponse>();
  const server = serverOf(options, (req: IncomingMessage, res: ServerResponse) => {
    answers.set(req.socket, res);
    if (draining) res.setHeader('Connection', 'close');
    if (isPlainRequest(req)) listener(req, res);
    else void answerUnroutable(req, res);
  });
  // Any expectation other than 100-continue, which Node answers by itself.
  server.on('checkExpectation', (req, res) => void answerUnroutable(req, res));
  server.on('checkContinue', (req, res: ServerResponse) => {
    // A refusal without reading spares the client its body.
    req.once('resume', () => {
      if (!res.headersSent) res.writeContinue();
    });
    server.emit('request', req, res);
  });
  server.on('clientError', (error, socket: Socket) => {
    // A partial answer must not continue with the text of another: its client could take that for
    // the rest.
    const answer = answers.get(socket);
    if (answer?.headersSent && !answer.writableFinished) socket.destroy();
    else answerClientError(error, socket);
  });
  if (options.onConnection) server.on('connection', options.onConnection);
  const idle = boundIdleConnections(server, options.maxIdleConnections ?? MAX_IDLE_CONNECTIONS);
  await start(server, options);
  const address = server.address() as AddressInfo;
  return {
    url: `${options.certificate ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
    openRequests: idle.openRequests,
    drain: async (limitMs, hurry = new AbortController().signal, othersStay = reusePort) => {
      draining = true;
      // Closes only the listener: http's own close would also end idle connections, which may have
      // a request in transit.
      if (othersStay) NetServer.prototype.close.call(server);
      await sleep(Math.min(CLOSE_GRACE_MS, limitMs), undefined, { signal: hurry }).catch(() => undefined);
      idle.endHandshakes();
      return close(server, idle.openRequests, limitMs - CLOSE_GRACE_MS, hurry);
    },
  };
}

function serverOf(options: ListenOptions, listener: RequestListener): Server {
  const { certificate, deadlines = DEADLINES, onRefusedClient = () => undefined } = options;
  // requestTimeout is off: it would cut long uploads at 300 s. Bodies have deadlines of their own.
  const settings = {
    headersTimeout: deadlines.headersMs,
    requestTimeout: 0,
    connectionsCheckingInterval: deadlines.checkEveryMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    joinDuplicateHeaders: true, // otherwise the first of two tokens, hosts or types would count, where others take the last
    requireHostHeader: false, // isPlainRequest checks it, and answers with a problem
  };
  if (!certificate) return createServer(settings, listener);
  const { context } = certificate.current;
  const isMutual = context.ca !== undefined;
  const server = createTlsServer(
    {
      ...settings,
      ...context,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      requestCert: isMutual,
      rejectUnauthorized: isMutual,
    },
    listener,
  );
  // A new context for new connections; it also drops all sessions, so that no client resumes past
  // new CAs.
  certificate.onChange((changed) => server.setSecureContext(changed.context));
  server.on('tlsClientError', (error: Error & { readonly code?: string }, socket) => {
    const isAbsent = error.code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE';
    const isRefused = Boolean(socket.authorizationError); // null if no certificate was presented, whatever its type is
    if (isMutual && (isAbsent || isRefused)) onRefusedClient();
  });
  return server;
}

function start(server: Server, { host, port, reusePort = false }: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, reusePort }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function close(server: Server, open: () => number, limitMs: number, hurry: AbortSignal): Promise<number> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const timer = new AbortController();
  const signal = AbortSignal.any([timer.signal, hurry]);
  await Promise.race([closed, sleep(Math.max(0, limitMs), undefined, { signal }).catch(() => undefined)]);
  timer.abort();
  const cut = open();
  server.closeAllConnections();
  await closed;
  return cut;
}

/**
 * Answers a request that cannot be routed. The answer waits until all bytes that arrived with it
 * are parsed: if they were malformed, the parser's error would be a second answer to one request.
 */
export async function answerUnroutable(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const failure = new ServiceError('malformed-request', 'The request cannot be routed');
  res.setHeader('Connection', 'close');
  await answerProblem(req, res, problemOf(failure, randomUUID()));
}

/**
 * Answers bytes that never became a request with a problem too: unparsable bytes, headers that are
 * too large or too slow.
 */
function answerClientError(error: Error & { readonly code?: string }, socket: Socket | TLSSocket): void {
  const isHandshake = 'secureConnecting' in socket && socket.secureConnecting; // the client cannot read an answer before its end
  if (!socket.writable || error.code === 'ECONNRESET' || isHandshake) {
    socket.destroy();
    return;
  }
  const failure = new ServiceError('malformed-request', 'The request is not well-formed HTTP');
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
