import { Buffer } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { type BodyLimit, bodyTooLarge } from './body-limit.ts';
import { assertMediaType } from './media-type.ts';
import { malformedField, parseJson } from './parse-json.ts';

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
   * Resolves when a body of this size may be parsed.
   * @throws ServiceError `overloaded`
   */
  turn(bytes: number): Promise<void>;
}

export interface JsonBody {
  readonly limit: BodyLimit;
  /** Time limit for the whole body. */
  readonly timeoutMs: number;
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
 * Returns the value of a JSON body. The body is read by our own code, because body-parser takes a
 * fifth of a small request's time.
 * @throws ServiceError `unsupported-media-type`, `body-too-large`, `malformed-request`
 */
export async function readJson(
  req: IncomingMessage,
  { limit, timeoutMs, expected = 'application/json', held }: JsonBody,
): Promise<unknown> {
  assertMediaType(req.headers, expected);
  const { 'content-length': length } = req.headers;
  if (length !== undefined && Number(length) > limit.bytes) throw bodyTooLarge(limit);
  const body = await readBody(req, { limit, timeoutMs, held });
  await held?.turn(body.length);
  return parseJson(body, { maxValues: limit.values });
}

function readBody(req: IncomingMessage, { limit, timeoutMs, held }: Omit<JsonBody, 'expected'>): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let checks = 0;
    const timer = setInterval(() => {
      checks += 1;
      const problem = slownessOf(size, checks, timeoutMs);
      if (problem !== undefined) settle(reject, malformedField('', problem));
      else tryTo(() => held?.slow());
    }, timeoutMs / CHECKS);
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      if (size > limit.bytes) settle(reject, bodyTooLarge(limit));
      else tryTo(() => held?.add(chunk.length));
    };
    const onEnd = () => {
      held?.complete();
      settle(resolve, chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, size));
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
      clearInterval(timer);
      if (!req.readableEnded) req.off('data', onData);
      finish(outcome);
    }
    req.on('data', onData).on('end', onEnd).on('close', onClose);
  });
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
