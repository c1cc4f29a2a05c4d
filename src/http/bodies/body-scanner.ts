import { decodeBase64In } from '../../format/base64.ts';
import { areTooMany } from '../../format/byte-list.ts';

const [QUOTE, COLON, COMMA, BACKSLASH] = [0x22, 0x3a, 0x2c, 0x5c];
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY] = [0x7b, 0x7d, 0x5b, 0x5d];
/** A loop over so many bytes costs less than a search by Buffer. */
const NEAR = 64;
const [SPACE, LAST_ASCII] = [0x20, 0x7e];

/** The bytes have a shape that the scanner does not read; they may well be valid JSON. */
const OTHER_SHAPE = new Error('a body of another shape');

/** A member of an object that a scan reads. */
export interface Member {
  readonly name: string;
  readonly read: (scanner: BodyScanner) => unknown;
}

/** Items of an array that differ in one text only. */
export interface TextRun<T> {
  /** Their other members. */
  readonly rest: T;
  /** The places of the texts: start and end in turn. */
  readonly places: readonly number[];
}

interface Place {
  readonly start: number;
  readonly end: number;
}

/** The place of an object with that of its text. */
interface Frame extends Place {
  readonly from: number;
  readonly to: number;
}

/**
 * Returns what `read` makes of a whole body, or undefined for a body of another shape, which
 * `JSON.parse` judges. The scanner accepts less than JSON: strings of ASCII without escapes, known
 * members, none twice. `JSON.parse` returns the same value for every body that it accepts.
 */
export function scanBody<T>(bytes: Buffer, read: (scanner: BodyScanner) => T): T | undefined {
  const scanner = new BodyScanner(bytes);
  try {
    const value = read(scanner);
    scanner.expectEnd();
    return value;
  } catch {
    // A refusal, too, comes from the other path: it names the field in the order of the schema.
    return undefined;
  }
}

/** A place in a body. Its methods read the next part and throw at another shape. */
export class BodyScanner {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  expectEnd(): void {
    this.#skipSpace();
    if (this.#at !== this.#bytes.length) throw OTHER_SHAPE;
  }

  /** Returns an object with some of the members, each at most once. */
  object<T>(members: readonly Member[]): T {
    const value: Record<string, unknown> = {};
    this.#expect(OPEN_OBJECT);
    if (this.#takes(CLOSE_OBJECT)) return value as T;
    do {
      const member = this.#memberName(members);
      if (Object.hasOwn(value, member.name)) throw OTHER_SHAPE;
      this.#expect(COLON);
      value[member.name] = member.read(this);
    } while (this.#takes(COMMA));
    this.#expect(CLOSE_OBJECT);
    return value as T; // the members' readers define its type
  }

  /** Returns pairs of names that are not known in advance and values, in their order. */
  pairs<T>(max: number, read: (scanner: BodyScanner) => T): [string, T][] {
    const pairs: [string, T][] = [];
    this.#expect(OPEN_OBJECT);
    if (this.#takes(CLOSE_OBJECT)) return pairs;
    do {
      const name = this.text();
      if (pairs.length === max || pairs.some(([other]) => other === name)) throw OTHER_SHAPE;
      // Objects list names of digits first, whatever their order in JSON; `__proto__` is no member.
      if ((name.charCodeAt(0) >= 0x30 && name.charCodeAt(0) <= 0x39) || name === '__proto__') throw OTHER_SHAPE;
      this.#expect(COLON);
      pairs.push([name, read(this)]);
    } while (this.#takes(COMMA));
    this.#expect(CLOSE_OBJECT);
    return pairs;
  }

  array<T>(max: number, read: (scanner: BodyScanner) => T): T[] {
    const values: T[] = [];
    this.#expect(OPEN_ARRAY);
    if (this.#takes(CLOSE_ARRAY)) return values;
    do {
      if (values.length === max) throw OTHER_SHAPE;
      values.push(read(this));
    } while (this.#takes(COMMA));
    this.#expect(CLOSE_ARRAY);
    return values;
  }

  /**
   * Returns the items of an array as runs. Those of a run follow one another and are the same bytes
   * but for the text of this name; its other members are read once. The caller checks the texts'
   * characters, as with `parsed`.
   */
  textRuns<T>(name: string, others: readonly Member[], max: number): TextRun<T>[] {
    const runs: TextRun<T>[] = [];
    const members = [{ name, read: () => this.#span(Number.POSITIVE_INFINITY) }, ...others];
    let frame: Frame | undefined;
    let places: number[] = [];
    let count = 0;
    this.#expect(OPEN_ARRAY);
    if (this.#takes(CLOSE_ARRAY)) return runs;
    do {
      if (count === max) throw OTHER_SHAPE;
      this.#skipSpace();
      if (!frame || !this.#takesSame(frame, places)) {
        if (areTooMany(runs.length, count)) throw OTHER_SHAPE;
        const from = this.#at;
        const { [name]: place, ...rest } = this.object<Record<string, unknown>>(members);
        if (!place) throw OTHER_SHAPE;
        frame = { from, ...(place as Place), to: this.#at };
        places = [frame.start, frame.end];
        runs.push({ rest: rest as T, places }); // the members' readers define its type
      }
      count += 1;
    } while (this.#takes(COMMA));
    this.#expect(CLOSE_ARRAY);
    return runs;
  }

  /** Takes an object that is as the frame is around its text, and adds the place of that. */
  #takesSame({ from, start, end, to }: Frame, places: number[]): boolean {
    const at = this.#at;
    if (!this.#isSame(at, from, start)) return false;
    const textAt = at + start - from;
    // Texts of one length need no search: a quote inside is a character that the caller refuses.
    let textEnd = textAt + end - start;
    if (this.#bytes[textEnd] !== QUOTE || !this.#isSame(textEnd, end, to)) {
      textEnd = this.#textEnd(textAt, end - start <= NEAR ? NEAR : 0);
      if (!this.#isSame(textEnd, end, to)) return false;
    }
    places.push(textAt, textEnd);
    this.#at = textEnd + to - end;
    return true;
  }

  /** Returns whether the bytes from `at` on are those between two other places. */
  #isSame(at: number, from: number, to: number): boolean {
    const bytes = this.#bytes;
    if (to - from > NEAR) {
      const end = at + to - from;
      return end <= bytes.length && bytes.compare(bytes, from, to, at, end) === 0;
    }
    for (let n = 0; n < to - from; n += 1) if (bytes[at + n] !== bytes[from + n]) return false;
    return true;
  }

  /** Returns the place of the next quote; a loop looks for it in the first bytes. */
  #textEnd(start: number, looped: number): number {
    const bytes = this.#bytes;
    const near = Math.min(start + looped, bytes.length);
    for (let at = start; at < near; at += 1) if (bytes[at] === QUOTE) return at;
    const end = bytes.indexOf(QUOTE, near);
    if (end === -1) throw OTHER_SHAPE;
    return end;
  }

  /** Returns a short text: ASCII without escapes. */
  text(): string {
    this.#expect(QUOTE);
    const bytes = this.#bytes;
    const start = this.#at;
    let at = start;
    for (let code = bytes[at]; code !== QUOTE; code = bytes[at]) {
      if (code === undefined || code < SPACE || code > LAST_ASCII || code === BACKSLASH) throw OTHER_SHAPE;
      at += 1;
    }
    this.#at = at + 1;
    return bytes.toString('latin1', start, at);
  }

  /** Returns the bytes of canonical base64 text with at most `max` characters. */
  base64(max: number): Buffer {
    const { start, end } = this.#span(max);
    const decoded = decodeBase64In(this.#bytes, start, end);
    if (!decoded) throw OTHER_SHAPE;
    return decoded;
  }

  /**
   * Returns what `parse` makes of the place of a text with at most `max` characters. `parse` throws
   * unless each character is one that JSON never escapes.
   */
  parsed<T>(max: number, parse: (text: Buffer, start: number, end: number) => T): T {
    const { start, end } = this.#span(max);
    return parse(this.#bytes, start, end);
  }

  /**
   * Returns the place of a text that the caller checks: nothing but its end is searched here. If an
   * escaped quote ends it early, its last character is a backslash.
   */
  #span(max: number): Place {
    this.#expect(QUOTE);
    const start = this.#at;
    const end = this.#bytes.indexOf(QUOTE, start);
    if (end === -1 || end - start > max) throw OTHER_SHAPE;
    this.#at = end + 1;
    return { start, end };
  }

  #memberName(members: readonly Member[]): Member {
    this.#expect(QUOTE);
    for (const member of members) {
      if (!this.#isNext(member.name)) continue;
      this.#at += member.name.length + 1;
      return member;
    }
    throw OTHER_SHAPE;
  }

  #isNext(name: string): boolean {
    const bytes = this.#bytes;
    const start = this.#at;
    if (bytes[start + name.length] !== QUOTE) return false;
    for (let n = 0; n < name.length; n += 1) if (bytes[start + n] !== name.charCodeAt(n)) return false;
    return true;
  }

  #expect(code: number): void {
    if (!this.#takes(code)) throw OTHER_SHAPE;
  }

  #takes(code: number): boolean {
    if (this.#bytes[this.#at] !== code) this.#skipSpace();
    if (this.#bytes[this.#at] !== code) return false;
    this.#at += 1;
    return true;
  }

  /** RFC 8259 §2: space, tab, line feed, carriage return. */
  #skipSpace(): void {
    const bytes = this.#bytes;
    for (let code = bytes[this.#at]; code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09; ) {
      this.#at += 1;
      code = bytes[this.#at];
    }
  }
}
