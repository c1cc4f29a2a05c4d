import type { IncomingMessage, ServerResponse } from 'node:http';
import { ServiceError } from '../../errors.ts';
import { releaseMemory } from '../../lib/memory.ts';

/** How long a stream may make no progress, in or out, before the connection is closed. */
const IDLE_MS = 30_000;

/** The client closed the connection before the end, so no answer can reach it. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone';
}

/**
 * A request's body and its answer at the same time. Pieces are read on demand, and a client that
 * does not read its answer stops the reading. So memory holds at most one piece of input and the
 * last output.
 */
export class Exchange {
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #idleMs: number;
  readonly #queue: Buffer[] = [];
  #isOpen: boolean = false;
  /** Whether a caller waits for a piece; an early piece is held, and reading stops. */
  #isAsked: boolean = false;
  #isComplete: boolean = false;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(req: IncomingMessage, res: ServerResponse, idleMs = IDLE_MS) {
    this.#req = req;
    this.#res = res;
    this.#idleMs = idleMs;
  }

  /**
   * Returns the next piece of the body; undefined at its end.
   * @throws ClientGone; ServiceError `malformed-request` when none arrives in time
   */
  async next(): Promise<Buffer | undefined> {
    this.#open();
    for (;;) {
      if (this.#failure) throw this.#failure;
      const piece = this.#queue.shift();
      if (piece) return piece;
      if (this.#isComplete) return undefined;
      this.#isAsked = true;
      this.#req.resume();
      await this.#change();
    }
  }

  /** Puts back the unused rest of a piece. */
  unread(piece: Buffer): void {
    if (piece.length > 0) this.#queue.unshift(piece);
  }

  /**
   * Sends pieces, once earlier ones have left. Their memory is freed when these have left too.
   * @throws as `next`
   */
  async send(pieces: readonly Buffer[]): Promise<void> {
    await this.#until(() => !this.#res.writableNeedDrain);
    this.#write(pieces);
  }

  /**
   * Sends the last pieces and waits until they have left.
   * @throws as `next`
   */
  async end(pieces: readonly Buffer[]): Promise<void> {
    await this.send(pieces);
    this.#res.end();
    await this.#until(() => this.#res.writableFinished);
  }

  /** Writes all of them with one system call. */
  #write(pieces: readonly Buffer[]): void {
    this.#res.cork();
    const last = pieces.at(-1);
    for (const piece of pieces)
      this.#res.write(piece, piece === last ? () => pieces.forEach(releaseMemory) : undefined);
    this.#res.uncork();
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      if (this.#failure) throw this.#failure;
      await this.#change();
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #changed(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  /**
   * Starts reading, at the first request for a piece: reading also sends `100 Continue` to a client
   * that waits for it.
   */
  #open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    const changed = () => this.#changed();
    const fail = (failure: Error) => {
      this.#failure ??= failure;
      this.#changed();
    };
    this.#req
      .on('data', (piece: Buffer) => {
        if (!this.#isAsked) this.#req.pause();
        this.#isAsked = false;
        this.#queue.push(piece);
        this.#changed();
      })
      .on('end', () => {
        this.#isComplete = true;
        this.#changed();
      })
      .on('error', () => fail(new ClientGone()));
    if (this.#res.closed) fail(new ClientGone()); // it emitted 'close' while the caller was authenticated
    this.#res.on('drain', changed).on('finish', changed);
    this.#res.on('close', () => fail(new ClientGone())).on('error', () => fail(new ClientGone()));
    // The socket's own timer: each byte in or out restarts it.
    this.#res.setTimeout(this.#idleMs, () => fail(idle(this.#idleMs)));
  }
}

function idle(idleMs: number): ServiceError {
  const detail = `no byte of the body arrived and no byte of the response was read for ${idleMs / 1_000} s`;
  return new ServiceError('malformed-request', `The request is malformed: ${detail}`, {
    errors: [{ pointer: '', detail }],
  });
}
