/** Longest plaintext in a list: the longest that the native module takes. */
export const MAX_LISTED_BYTES = 4_096;

const FEW_RUNS = 8;
const MIN_ITEMS = 8;

/** Returns whether items in so many runs cost more as lists than each for itself. */
export const areTooMany = (runs: number, items: number): boolean => runs >= FEW_RUNS && items < runs * MIN_ITEMS;

/** Parts that follow one another from the start of a buffer: plaintexts, or sealed messages. */
export interface ByteList {
  readonly bytes: Buffer;
  /** The end of each part. */
  readonly ends: Uint32Array;
}

/** The JSON of an item around its text. */
export interface ItemFrame {
  readonly before: Buffer;
  readonly after: Buffer;
}

/** Returns the parts of a list, which share its memory. */
export function partsOf({ bytes, ends }: ByteList): Buffer[] {
  let start = 0;
  return Array.from(ends, (end) => {
    const part = bytes.subarray(start, end);
    start = end;
    return part;
  });
}

/** Returns a list as several of at most `max` parts, which share its memory. */
export function chunksOf(list: ByteList, max: number): readonly ByteList[] {
  const { bytes, ends } = list;
  if (ends.length > 0 && ends.length <= max) return [list];
  const chunks: ByteList[] = [];
  for (let from = 0; from < ends.length; from += max) {
    const start = from === 0 ? 0 : (ends[from - 1] ?? 0);
    const own = ends.slice(from, from + max).map((end) => end - start);
    chunks.push({ bytes: bytes.subarray(start, start + (own.at(-1) ?? 0)), ends: own });
  }
  return chunks;
}

/**
 * Returns an empty buffer for the JSON of a list: items in their frames, with commas between them.
 * `textLength` returns the characters of the text that a part of so many bytes becomes.
 */
export function answerFor(
  { ends }: ByteList,
  { before, after }: ItemFrame,
  textLength: (bytes: number) => number,
): Buffer {
  let length = ends.length * (before.length + after.length + 1) - 1;
  let start = 0;
  for (const end of ends) {
    length += textLength(end - start);
    start = end;
  }
  return Buffer.allocUnsafeSlow(Math.max(0, length));
}

/** Returns an empty list of parts, each so many bytes shorter than in another list. */
export function textsFor({ bytes, ends }: ByteList, shorter: number): ByteList {
  const own = ends.map((end, n) => end - (n + 1) * shorter);
  return { bytes: Buffer.allocUnsafeSlow(bytes.length - ends.length * shorter), ends: own };
}

/** Returns the length of the longest part. */
export function longestOf({ ends }: ByteList): number {
  let longest = 0;
  let start = 0;
  for (const end of ends) {
    longest = Math.max(longest, end - start);
    start = end;
  }
  return longest;
}

const COMMA = 0x2c;

/** Fills an answer with the text of each part in its frame. Returns whether each had one. */
export function fillAnswer(
  answer: Buffer,
  list: ByteList,
  { before, after }: ItemFrame,
  textOf: (start: number, end: number, n: number) => string | undefined,
): boolean {
  const { ends } = list;
  let at = 0;
  let start = 0;
  for (let n = 0; n < ends.length; n += 1) {
    const end = ends[n] ?? 0;
    const text = textOf(start, end, n);
    if (text === undefined) return false;
    if (n > 0) answer[at++] = COMMA;
    answer.set(before, at);
    at += before.length;
    at += answer.write(text, at, 'latin1');
    answer.set(after, at);
    at += after.length;
    start = end;
  }
  return true;
}
