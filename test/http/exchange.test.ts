import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { StreamSealer } from '../../src/format/stream-sealer.ts';
import { Exchange } from '../../src/http/streams/exchange.ts';
import { transfer } from '../../src/http/streams/transfer.ts';
import { systemRandom } from '../../src/lib/random.ts';

const SHORT_MS = 300;
const LONG_MS = 60_000;
const SEGMENT = 1_048_576;

let server: Server | undefined;
let client: Socket | undefined;
afterEach(() => {
  client?.destroy();
  server?.closeAllConnections();
  server?.close();
});

/** Returns a server's side of a request whose client has sent `start`. */
async function exchangeOf(start: string, idleMs: number) {
  server = createServer();
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.on('error', () => undefined).write(`POST / HTTP/1.1\r\nHost: a\r\n${start}`);
  const [req, res] = (await once(server, 'request')) as [IncomingMessage, ServerResponse];
  return { exchange: new Exchange(req, res, idleMs), req, res, client };
}

/** Returns the work that passes it through the sealer, as an operation does. */
function workOf() {
  const phases: string[] = [];
  const work = {
    keyId: 'a key',
    transform: new StreamSealer(Buffer.alloc(32, 'k'), 'x'.repeat(64), systemRandom),
    answerBytes: undefined,
    start: async () => void phases.push('started'),
    recheck: () => undefined,
    finish: async () => void phases.push('finished'),
  };
  return { work, phases };
}

const isIdle = { name: 'ServiceError', code: 'malformed-request' };

describe('a client', () => {
  test('that sends nothing more is refused after a while', async () => {
    const { exchange } = await exchangeOf('Content-Length: 10\r\n\r\nabc', SHORT_MS);
    expect((await exchange.next())?.toString()).toBe('abc');
    await expect(exchange.next()).rejects.toMatchObject(isIdle);
  });

  test('that has gone before the first piece is asked for ends its stream', async () => {
    const { exchange, res, client: socket } = await exchangeOf('Content-Length: 10\r\n\r\nabc', LONG_MS);
    const closed = once(res, 'close');
    socket.destroy();
    await closed;
    await expect(exchange.next()).rejects.toMatchObject({ name: 'ClientGone' });
  });

  test('that reads nothing delays only its own stream, with two segments in memory, and is cut after a while', async () => {
    const { exchange, req, res, client: socket } = await exchangeOf('Transfer-Encoding: chunked\r\n\r\n', SHORT_MS);
    socket.pause();
    const chunk = `10000\r\n${'a'.repeat(65_536)}\r\n`;
    const send = () => {
      while (!socket.destroyed && socket.write(chunk)) {
        // until the kernel takes no more
      }
    };
    socket.on('drain', send);
    send();
    let taken = 0;
    const { work, phases } = workOf();
    const counted = {
      next: async () => {
        const piece = await exchange.next();
        taken += piece?.length ?? 0;
        return piece;
      },
      send: (pieces: readonly Buffer[]) => exchange.send(pieces),
      end: (pieces: readonly Buffer[]) => exchange.end(pieces),
    };
    await expect(
      transfer(
        counted,
        work,
        () => undefined,
        () => undefined,
      ),
    ).rejects.toMatchObject(isIdle);
    expect(phases).toEqual(['started']);
    // The bytes that are neither in the kernel's buffers nor sent: one segment being sent, one that
    // waits for it, and a piece.
    expect(res.writableLength).toBeLessThanOrEqual(SEGMENT + 2_000);
    expect(req.readableLength).toBeLessThanOrEqual(2 * 65_536);
    expect(taken - (res.socket?.bytesWritten ?? 0)).toBeLessThanOrEqual(3 * SEGMENT);
  });

  test('that disconnects ends its stream, during reads and during writes', async () => {
    const { exchange, client: socket } = await exchangeOf('Content-Length: 10\r\n\r\nabc', LONG_MS);
    await exchange.next();
    const next = exchange.next();
    socket.destroy();
    await expect(next).rejects.toMatchObject({ name: 'ClientGone' });
    await expect(exchange.send([Buffer.alloc(1)])).resolves.toBeUndefined(); // the client is gone, nothing is kept
    await expect(exchange.end([])).rejects.toMatchObject({ name: 'ClientGone' });
  });

  test('that sends everything and reads everything is complete', async () => {
    const { exchange, client: socket } = await exchangeOf('Content-Length: 3\r\nConnection: close\r\n\r\nabc', LONG_MS);
    const received: Buffer[] = [];
    socket.on('data', (piece: Buffer) => received.push(piece));
    const { work, phases } = workOf();
    let bytes = 0;
    const count = (more: number) => {
      bytes += more;
    };
    await transfer(exchange, work, () => phases.push('head'), count);
    expect(bytes).toBe(3);
    expect(phases).toEqual(['started', 'finished', 'head']);
    await once(socket, 'close');
    expect(Buffer.concat(received).toString('latin1')).toContain('VSPN1');
  });
});

describe('a piece', () => {
  test('whose rest was put back is read again', async () => {
    const { exchange } = await exchangeOf('Content-Length: 3\r\n\r\nabc', LONG_MS);
    const piece = await exchange.next();
    exchange.unread(piece?.subarray(1) ?? Buffer.alloc(0));
    expect((await exchange.next())?.toString()).toBe('bc');
    exchange.unread(Buffer.alloc(0));
    expect(await exchange.next()).toBeUndefined();
  });
});
