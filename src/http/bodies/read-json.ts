import { Buffer } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { type BodyLimit, bodyTooLarge } from './body-limit.ts';
import { assertMediaType } from './media-type.ts';
import { malformedField, parseJson } from './parse-json.ts';

/** The account of a body's memory. */
interface HeldBody {
  /** Counts bytes that have arrived. @throws ServiceError `overloaded` */
  add(bytes: number): void;
  /** Counts the body as a slow one until it is complete. @throws ServiceError `overloaded` */
  slow(): void;
  complete(): void;
  /** Resolves when a body of this size may be parsed. @throws ServiceError `overloaded` */
  turn(bytes: number): Promise<void>;
}

export interface JsonBody {
  readonly limit: BodyLimit;
  /** For the whole of it. */
  readonly timeoutMs: number;
  /** Media type; application/json without it. */
  readonly expected?: string | undefined;
  /** Counts the bytes that are held in memory. */
  readonly held?: HeldBody | undefined;
}

/** Slowest average at which a body may arrive: one that trickles keeps memory from others. */
const MIN_BYTES_PER_SECOND = 16 * 1_024;
/** Looks at an incomplete body in the time for the whole of it: one each second. After the first it counts as slow. */
const CHECKS = 30;
/** Checks before the rate counts: connections may begin slowly. */
const CHECKS_WITHOUT_RATE = 5;

/**
 * Returns the value of a JSON body. It is read by hand, since body-parser costs a fifth of a small request.
 *
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
    // A cut body makes no 'error' where nobody listens for one; and taking listeners off costs more than one look at the end.
    const onClose = () => {
      if (!req.readableEnded) settle(reject, malformedField('', 'was cut off'));
    };
    function settle<T>(finish: (outcome: T) => void, outcome: T): void {
      clearInterval(timer);
      if (!req.readableEnded) req.off('data', onData);
      finish(outcome);
    }
    req.on('data', onData).on('end', onEnd).on('close', onClose);
  });
}

/** Returns why a body that is incomplete at a check is refused; undefined where it may go on arriving. */
function slownessOf(bytes: number, checks: number, timeoutMs: number): string | undefined {
  const seconds = (checks * timeoutMs) / CHECKS / 1_000;
  if (checks >= CHECKS) return `did not arrive within ${seconds} s`;
  const isSlow = checks > CHECKS_WITHOUT_RATE && bytes < MIN_BYTES_PER_SECOND * seconds;
  return isSlow ? `arrived at less than ${MIN_BYTES_PER_SECOND / 1_024} KiB/s` : undefined;
}
