import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The source of the exported text. */
export interface MetricsSource {
  readonly contentType: string;
  text(): Promise<string>;
}

export interface MetricsListener {
  readonly url: string;
  close(): Promise<void>;
}

const MAX_CONNECTIONS = 16;
const TIMEOUT_MS = 5_000;

/**
 * Serves `GET /metrics` and nothing else, as plain HTTP for Prometheus.
 * @throws Error of listening
 */
export async function listenForMetrics(
  source: MetricsSource,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<MetricsListener> {
  const options = { headersTimeout: TIMEOUT_MS, requestTimeout: TIMEOUT_MS, keepAliveTimeout: 65_000 };
  const server = createServer(options, (req, res) => answer(source, req, res));
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const { port: listening } = server.address() as AddressInfo; // a TCP server that listens has no other kind
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${listening}/metrics`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(source: MetricsSource, req: IncomingMessage, res: ServerResponse): void {
  const [path] = (req.url ?? '').split('?');
  if (path !== '/metrics') {
    refuse(res, 404);
    return;
  }
  if (req.method !== 'GET') {
    res.setHeader('Allow', 'GET');
    refuse(res, 405);
    return;
  }
  source.text().then(
    (text) => res.writeHead(200, { 'Content-Type': source.contentType, 'Cache-Control': 'no-store' }).end(text),
    () => refuse(res, 500),
  );
}

function refuse(res: ServerResponse, status: number): void {
  res.writeHead(status, { Connection: 'close' }).end();
}
