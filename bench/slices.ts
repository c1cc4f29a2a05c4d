import { connect, type Socket } from 'node:net';
import type { MeasuredServer } from './cpu.ts';
import type { Load } from './wrk.ts';

const CONNECTIONS = 32;
const HEAD_END = '\r\n\r\n';
const LENGTH = /\r\nContent-Length: (\d+)/i;
const SUCCESS = 'HTTP/1.1 2';
const NOTHING = Buffer.alloc(0);
/** A body in chunks ends with an empty one; no JSON has this text. */
const LAST_CHUNK = Buffer.from('0\r\n\r\n');

/** A client that sends one request again and again over connections that stay open. */
export interface SliceClient {
  /**
   * Returns the server's CPU per request, in microseconds, over so many requests. All of them are
   * answered when it ends, so that no work of one slice falls into the next.
   * @throws Error when an answer is not 2xx, or a connection closes before its answer
   */
  measure(requests: number): Promise<number>;
  close(): void;
}

/** V8 compiles most code of a small request after 16,000 to 18,000 of them. */
const WARM_REQUESTS = 20_000;
const WARM_PIECE = 500;
/** Enough for the code of batches, which runs for each item. */
const WARM_MS = 4_000;

/**
 * Sends requests until a server of Node has compiled its code: before, a small request costs twice
 * as much, and more of a server with more code.
 */
export async function warmUp(client: SliceClient): Promise<void> {
  const until = performance.now() + WARM_MS;
  for (let sent = 0; sent < WARM_REQUESTS && performance.now() < until; sent += WARM_PIECE) {
    await client.measure(WARM_PIECE);
  }
}

/** Warms the server up a little and returns the number of requests that fill a turn of this length. */
export async function requestsIn(client: SliceClient, turnMs: number): Promise<number> {
  for (let requests = CONNECTIONS; ; requests *= 2) {
    const startedAt = performance.now();
    await client.measure(requests);
    const tookMs = performance.now() - startedAt;
    if (tookMs >= turnMs) return Math.max(CONNECTIONS, Math.ceil((requests * turnMs) / tookMs));
  }
}

interface SliceLoad extends Load {
  /** Returns the additional headers of the requests to the path at this place. */
  readonly headersOf?: (at: number) => Readonly<Record<string, string>>;
}

/** Returns a client whose slices are short enough to alternate between servers many times. */
export async function openSlices(server: MeasuredServer, load: SliceLoad): Promise<SliceClient> {
  const { hostname, port } = new URL(server.url);
  const open = () => opened(hostname, Number(port));
  let sockets = await Promise.all(Array.from({ length: CONNECTIONS }, open));
  const exchanges = load.paths.map((path, at) =>
    exchanger(requestTo(hostname, path, load, load.headersOf?.(at) ?? {})),
  );
  let sent = 0;
  return {
    async measure(requests) {
      // Servers close connections that were idle while others had their turn.
      sockets = await Promise.all(
        sockets.map(async (socket) => (socket.readable && socket.writable ? socket : open())),
      );
      const end = sent + requests;
      const before = await server.usage();
      await Promise.all(
        sockets.map(
          (socket) =>
            new Promise<void>((resolve, reject) => {
              const onClose = () => reject(new Error('the server closed a connection'));
              socket.once('close', onClose);
              const next = (error?: Error) => {
                if (error) reject(error);
                else if (sent === end) {
                  socket.off('close', onClose);
                  resolve();
                } else {
                  sent += 1;
                  exchanges[sent % exchanges.length]?.(socket, next);
                }
              };
              next();
            }),
        ),
      );
      const after = await server.usage();
      return (after.cpuMicroseconds - before.cpuMicroseconds) / requests;
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function requestTo(
  host: string,
  path: string,
  { body, token }: Load,
  headers: Readonly<Record<string, string>>,
): Buffer {
  const content = JSON.stringify(body);
  const lines = [
    `POST ${path} HTTP/1.1`,
    `Host: ${host}`,
    `Authorization: Bearer ${token}`,
    'Content-Type: application/json',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${Buffer.byteLength(content)}`,
  ];
  return Buffer.from(`${lines.join('\r\n')}${HEAD_END}${content}`);
}

function opened(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true }, () => resolve(socket));
    socket.once('error', reject);
  });
}

/** Returns a function that sends the request and calls back once it is answered. */
function exchanger(request: Buffer) {
  let usual: Answer | undefined;
  return (socket: Socket, done: (error?: Error) => void): void => {
    const reception = new Reception(usual);
    const onData = (piece: Buffer) => {
      if (!reception.add(piece)) return;
      socket.off('data', onData);
      usual = reception.answer;
      done(reception.error());
    };
    socket.on('data', onData).write(request);
  };
}

interface Answer {
  /** Of head and body; undefined for a body in chunks. */
  readonly bytes: number | undefined;
}

/** The pieces of one answer. */
class Reception {
  answer: Answer | undefined;
  readonly #usual: Answer | undefined;
  #head = '';
  #received = 0;
  #tail: Buffer = NOTHING;

  constructor(usual: Answer | undefined) {
    this.#usual = usual;
  }

  /** Returns whether the answer is complete. */
  add(piece: Buffer): boolean {
    // Heads of answers to one request have the same length. Reading each of them would make the
    // client dearer than some servers.
    if (this.#received === 0 && isSuccess(piece)) this.answer = this.#usual;
    this.#received += piece.length;
    if (!this.answer) {
      this.#head += piece.toString('latin1');
      this.answer = answerOf(this.#head);
    }
    if (this.answer?.bytes !== undefined) return this.#received >= this.answer.bytes;
    const tail = piece.length < LAST_CHUNK.length ? Buffer.concat([this.#tail, piece]) : piece;
    this.#tail = tail.subarray(-LAST_CHUNK.length);
    return this.answer !== undefined && LAST_CHUNK.equals(this.#tail);
  }

  /** Returns the failure that the answer is. */
  error(): Error | undefined {
    return this.#head === '' || this.#head.startsWith(SUCCESS) ? undefined : new Error(this.#head);
  }
}

/** Returns the lengths in a head, undefined while it is incomplete. */
function answerOf(text: string): Answer | undefined {
  const end = text.indexOf(HEAD_END);
  if (end === -1) return undefined;
  const length = LENGTH.exec(text.slice(0, end))?.[1];
  return { bytes: length === undefined ? undefined : end + HEAD_END.length + Number(length) };
}

const isSuccess = (piece: Buffer): boolean => piece.toString('latin1', 0, SUCCESS.length) === SUCCESS;
