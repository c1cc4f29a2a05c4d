import { type AddressInfo, createServer, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** The code of an SSLRequest: https://www.postgresql.org/docs/current/protocol-message-formats.html */
const SSL_REQUEST = 80_877_103;

/**
 * Returns a server that answers any start-up message of PostgreSQL with one error. With a certificate
 * it speaks TLS, like a real server after the client's SSLRequest.
 */
export async function refusingServer(
  code: string,
  tls?: { readonly certPem: string; readonly keyPem: string },
): Promise<{ readonly port: number } & AsyncDisposable> {
  const refuse = (socket: Socket) =>
    socket.on('error', () => undefined).once('data', () => socket.end(errorResponse(code)));
  const server = createServer((socket) => {
    if (!tls) return refuse(socket);
    return socket
      .on('error', () => undefined)
      .once('data', (message: Buffer) => {
        if (message.readInt32BE(4) !== SSL_REQUEST) return socket.destroy();
        socket.write('S');
        return refuse(new TLSSocket(socket, { isServer: true, cert: tls.certPem, key: tls.keyPem }));
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function errorResponse(code: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0Mrefused\0\0`);
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}
