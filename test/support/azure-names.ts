import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import process from 'node:process';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { createCa, createLeaf } from '../../src/emulator/x509/certificates.ts';

/**
 * Azure's own host names, on loopback: the SDK reaches them through a proxy, as in a company's
 * network.
 */
export interface AzureNames extends AsyncDisposable {
  /** `HOST:PORT` of every connection that the SDK requested, in order. */
  readonly asked: string[];
  /** Certificate and key of all the hosts. */
  readonly leaf: { readonly certPem: string; readonly keyPem: string };
  /** Maps a host to a port of localhost from now on; before that it does not answer. */
  route(host: string, port: number): void;
}

/** Must be called before any object of the SDK is made: it reads the proxy's address once. */
export async function startAzureNames(hosts: readonly string[]): Promise<AzureNames> {
  const ca = await createCa();
  const leaf = await createLeaf(ca, ['localhost', ...hosts]);
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), ca.certPem]);
  const routes = new Map<string, number>();
  const asked: string[] = [];
  const open = new Set<Duplex>();
  const proxy = createServer().on('connect', ({ url = '' }, socket) => {
    asked.push(url);
    open.add(socket);
    socket.on('error', () => undefined); // the client may have disconnected
    const port = routes.get(url.replace(/:443$/, ''));
    if (port === undefined) return socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    return tunnel(socket as Socket, leaf, port);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  process.env['HTTPS_PROXY'] = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  return {
    asked,
    leaf,
    route: (host, port) => void routes.set(host, port),
    [Symbol.asyncDispose]: () => close(proxy, open),
  };
}

/** Terminates TLS under the host's name and starts it again under localhost's. */
function tunnel(socket: Socket, { certPem, keyPem }: AzureNames['leaf'], port: number): void {
  const near = new tls.TLSSocket(socket, { isServer: true, cert: certPem, key: keyPem });
  const far = tls.connect({ host: 'localhost', port });
  near.on('error', () => far.destroy());
  far.on('error', () => near.destroy());
  near.pipe(far).pipe(near);
}

function close(proxy: Server, open: ReadonlySet<Duplex>): Promise<void> {
  delete process.env['HTTPS_PROXY'];
  for (const socket of open) socket.destroy();
  return new Promise((resolve) => proxy.close(() => resolve()));
}
