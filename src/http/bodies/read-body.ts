import { Buffer } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { releaseMemory } from '../../lib/memory.ts';
import { type BodyLimit, bodyTooLarge } from './body-limit.ts';
import { assertMediaType } from './media-type.ts';
import { malformedField } from './parse-json.ts';

/** The account of a body's memory. */
interface HeldBody {
  /**
   * Counts bytes that have arrived.
   * @throws ServiceError `overloaded`
   */
  add(bytes: number): void;
  /**
   * Counts the body as a slow one until it is complete.
   * @throws ServiceError `overloaded`
   */
  slow(): void;
  complete(): void;
  /**
   * Resolves when a body of this size may be parsed; undefined if it may be at once. Rejects with
   * ServiceError `overloaded`.
   */
  turn(bytes: number): Promise<void> | undefined;
}

interface ExpectedBody {
  readonly limit: BodyLimit;
  /** Media type; default application/json. */
  readonly expected?: string | undefined;
  /** Counts the bytes that are held in memory. */
  readonly held?: HeldBody | undefined;
}

/** Lowest average rate at which a body may arrive: a slower one withholds memory from others. */
const MIN_BYTES_PER_SECOND = 16 * 1_024;
/**
 * Checks of an incomplete body within its time limit: one each second. After the first it counts as
 * slow.
 */
const CHECKS = 30;
/** Checks before the rate counts: connections may start slowly. */
const CHECKS_WITHOUT_RATE = 5;

/**
 * Returns the bytes of a JSON body, once they may be parsed.
 * @throws ServiceError `unsupported-media-type`, `body-too-large`, `malformed-request`
 */
export type ReadBody = (req: IncomingMessage, expected: ExpectedBody) => Promise<Buffer>;

/**
 * Returns a reader of bodies under one time limit. Bodies are read by our own code, because
 * body-parser takes a fifth of a small request's time.
 */
export function createBodyReader(timeoutMs: number): ReadBody {
  const deadlines = new BodyDeadlines(timeoutMs);
  return async (req, { limit, expected = 'application/json', held }) => {
    assertMediaType(req.headers, expected);
    const { 'content-length': length } = req.headers;
    if (length !== undefined && Number(length) > limit.bytes) throw bodyTooLarge(limit);
    const body = await readBytes(req, limit, held, deadlines);
    const turn = held?.turn(body.length);
    if (turn) await turn;
    return body;
  };
}

/** A body that is still arriving. */
interface Arriving {
  readonly since: number;
  /** Called with the number of whole checks that its time would have had. */
  readonly check: (checks: number) => void;
}

/**
 * Checks all bodies that are still arriving with one timer: a timer for each would cost more than
 * reading a small body. The timer runs while there are any, so a check may be half a check late.
 */
class BodyDeadlines {
  readonly timeoutMs: number;
  readonly #checkMs: number;
  readonly #arriving = new Set<Arriving>();
  #timer: NodeJS.Timeout | undefined;

  constructor(timeoutMs: number) {
    this.timeoutMs = timeoutMs;
    this.#checkMs = timeoutMs / CHECKS;
  }

  /** Returns the body's entry, to be removed once it is complete. */
  add(check: (checks: number) => void): Arriving {
    const arriving = { since: performance.now(), check };
    this.#arriving.add(arriving);
    this.#timer ??= setInterval(() => this.#sweep(), this.#checkMs / 2).unref();
    return arriving;
  }

  remove(arriving: Arriving): void {
    this.#arriving.delete(arriving);
  }

  #sweep(): void {
    if (this.#arriving.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    const now = performance.now();
    for (const { since, check } of this.#arriving) {
      const checks = Math.min(CHECKS, Math.floor((now - since) / this.#checkMs));
      if (checks > 0) check(checks);
    }
  }
}

function readBytes(
  req: IncomingMessage,
  limit: BodyLimit,
  held: HeldBody | undefined,
  deadlines: BodyDeadlines,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const arriving = deadlines.add((checks) => {
      const problem = slownessOf(size, checks, deadlines.timeoutMs);
      if (problem !== undefined) settle(reject, malformedField('', problem));
      else tryTo(() => held?.slow());
    });
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      if (size > limit.bytes) settle(reject, bodyTooLarge(limit));
      else tryTo(() => held?.add(chunk.length));
    };
    const onEnd = () => {
      held?.complete();
      settle(resolve, joined(chunks, size));
    };
    function tryTo(run: () => void): void {
      try {
        run();
      } catch (error) {
        settle(reject, error);
      }
    }
    // A truncated body emits no 'error' without a listener for it; removing listeners costs more
    // than one check at the end.
    const onClose = () => {
      if (!req.readableEnded) settle(reject, malformedField('', 'was truncated'));
    };
    function settle<T>(finish: (outcome: T) => void, outcome: T): void {
      deadlines.remove(arriving);
      if (!req.readableEnded) req.off('data', onData);
      finish(outcome);
    }
    req.on('data', onData).on('end', onEnd).on('close', onClose);
    if (req.destroyed) onClose(); // it emitted 'close' while the caller was authenticated
  });
}

/** Returns the bytes of all pieces, whose memory is freed. */
function joined(chunks: readonly Buffer[], size: number): Buffer {
  const [first] = chunks;
  if (first && chunks.length === 1) return first;
  const bytes = Buffer.concat(chunks, size);
  chunks.forEach(releaseMemory);
  return bytes;
}

/**
 * Returns the reason that a body which is incomplete at a check is refused; undefined if it may
 * continue.
 */
function slownessOf(bytes: number, checks: number, timeoutMs: number): string | undefined {
  const seconds = (checks * timeoutMs) / CHECKS / 1_000;
  if (checks >= CHECKS) return `did not arrive within ${seconds} s`;
  const isSlow = checks > CHECKS_WITHOUT_RATE && bytes < MIN_BYTES_PER_SECOND * seconds;
  return isSlow ? `arrived at less than ${MIN_BYTES_PER_SECOND / 1_024} KiB/s` : undefined;
}
