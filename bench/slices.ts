import { connect, type Socket } from 'node:net';
import type { MeasuredServer } from './cpu.ts';
import type { Load } from './wrk.ts';

const CONNECTIONS = 16;
const HEAD_END = '\r\n\r\n';
const LENGTH = /\r\nContent-Length: (\d+)/i;

/** A client that sends one request again and again over connections that stay open. */
export interface SliceClient {
  /**
   * Returns the server's CPU per request, in microseconds, over so many requests.
   * @throws Error when an answer is not 2xx
   */
  measure(requests: number): Promise<number>;
  close(): void;
}

const WARM_UP = 400;

/** Warms the server up and returns the number of requests that fill a turn of this length. */
export async function requestsIn(client: SliceClient, turnMs: number): Promise<number> {
  await client.measure(WARM_UP);
  const startedAt = performance.now();
  await client.measure(WARM_UP);
  return Math.max(32, Math.ceil((turnMs / (performance.now() - startedAt)) * WARM_UP));
}

/** Returns a client whose slices are short enough to alternate between servers many times. */
export async function openSlices(server: MeasuredServer, { paths, body, token }: Load): Promise<SliceClient> {
  const { hostname, port } = new URL(server.url);
  const content = JSON.stringify(body);
  const request = [
    `POST ${paths[0]} HTTP/1.1`,
    `Host: ${hostname}`,
    `Authorization: Bearer ${token}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(content)}`,
    '',
    content,
  ].join('\r\n');
  const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, () => opened(hostname, Number(port))));
  return {
    async measure(requests) {
      let left = requests;
      const before = await server.usage();
      await Promise.all(
        sockets.map(async (socket) => {
          while (left > 0) {
            left -= 1;
            await exchange(socket, request);
          }
        }),
      );
      const after = await server.usage();
      return (after.cpuMicroseconds - before.cpuMicroseconds) / requests;
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function opened(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true }, () => resolve(socket));
    socket.once('error', reject);
  });
}

function exchange(socket: Socket, request: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let head = '';
    let missing = Number.POSITIVE_INFINITY;
    const onData = (piece: Buffer) => {
      if (missing === Number.POSITIVE_INFINITY) {
        head += piece.toString('latin1');
        const end = head.indexOf(HEAD_END);
        if (end === -1) return;
        missing = Number(LENGTH.exec(head)?.[1] ?? 0) - (head.length - end - HEAD_END.length);
      } else missing -= piece.length;
      if (missing > 0) return;
      socket.off('data', onData);
      if (head.startsWith('HTTP/1.1 2')) resolve();
      else reject(new Error(head));
    };
    socket.on('data', onData).write(request);
  });
}
