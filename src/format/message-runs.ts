import { releaseMemory } from '../lib/memory.ts';
import { TAG_BYTES } from './aes-gcm.ts';
import { areTooMany, type ByteList, MAX_LISTED_BYTES } from './byte-list.ts';
import { IV_BYTES } from './iv-pool.ts';
import { type Message, messageParser } from './message.ts';
import { decodeSealedInto, sealedBytesIn } from './sealed-text.ts';

/**
 * Messages that follow one another and share their header and encrypted key. The parts of the list
 * are IV, ciphertext and tag of each.
 */
export interface MessageRun {
  /** The first message. */
  readonly first: Message;
  readonly list: ByteList;
}

const DOT = 0x2e;

/**
 * Returns the messages whose places in a text are start and end in turn. Returns undefined if they
 * are many short runs, or one is too long.
 * @throws ServiceError `malformed-ciphertext`
 */
export function messageRuns(text: Buffer, places: readonly number[]): readonly MessageRun[] | undefined {
  const parse = messageParser('message');
  const count = places.length / 2;
  const runs: MessageRun[] = [];
  for (let from = 0; from < count; ) {
    if (areTooMany(runs.length, from)) return undefined;
    const run = runAt(text, places, from, parse);
    if (!run) return undefined;
    runs.push(run);
    from += run.list.ends.length;
  }
  return runs;
}

/** Returns the messages of a run, which share its memory. */
export function messagesOf({ first, list: { bytes, ends } }: MessageRun): Message[] {
  let at = 0;
  return Array.from(ends, (end) => {
    const message = { ...first, bytes, at, ciphertextBytes: end - at - IV_BYTES - TAG_BYTES };
    at = end;
    return message;
  });
}

function runAt(
  text: Buffer,
  places: readonly number[],
  from: number,
  parse: ReturnType<typeof messageParser>,
): MessageRun | undefined {
  const start = places[2 * from] ?? 0;
  const first = parse(text, start, places[2 * from + 1] ?? 0);
  const shared = text.subarray(start, text.indexOf(DOT, text.indexOf(DOT, start) + 1) + 1);
  const bytes = Buffer.allocUnsafeSlow(mostBytes(places, from, shared.length));
  const ends: number[] = [];
  let at = 0;
  for (let n = 2 * from; n < places.length; n += 2) {
    const sealedAt = (places[n] ?? 0) + shared.length;
    const end = places[n + 1] ?? 0;
    if (!isShared(text, places[n] ?? 0, end, shared)) break;
    if (!decodeSealedInto(text, sealedAt, end, bytes, at)) break; // the parser reports why
    const length = sealedBytesIn(end - sealedAt);
    if (length > IV_BYTES + MAX_LISTED_BYTES + TAG_BYTES) return undefined;
    at += length;
    ends.push(at);
  }
  return { first, list: { bytes: alone(bytes, at), ends: Uint32Array.from(ends) } };
}

/** Returns the first bytes in memory of their size, which can be freed at once after its use. */
function alone(bytes: Buffer, length: number): Buffer {
  if (length === bytes.length) return bytes;
  const own = Buffer.allocUnsafeSlow(length);
  bytes.copy(own, 0, 0, length);
  releaseMemory(bytes);
  return own;
}

const isShared = (text: Buffer, start: number, end: number, shared: Buffer): boolean =>
  start + shared.length <= end && text.compare(shared, 0, shared.length, start, start + shared.length) === 0;

/** Returns the most bytes that the rest of the messages may have. */
function mostBytes(places: readonly number[], from: number, shared: number): number {
  let most = 0;
  for (let n = 2 * from; n < places.length; n += 2) {
    most += Math.max(0, sealedBytesIn((places[n + 1] ?? 0) - (places[n] ?? 0) - shared));
  }
  return most;
}
