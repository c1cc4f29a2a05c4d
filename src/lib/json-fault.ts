/** Bounds on a JSON text that `JSON.parse` does not have. */
export interface JsonBounds {
  /** Levels of objects and arrays; a bare value has none. */
  readonly maxDepth: number;
  /** Values in total; member names are not counted. */
  readonly maxValues: number;
  /** Members of one object: each name is remembered, and made a property by `JSON.parse`. */
  readonly maxMembers: number;
}

/** The fault of a JSON text, and its place. */
export interface JsonFault {
  readonly kind: 'depth' | 'values' | 'members' | 'duplicate';
  /**
   * Member names and array indexes, from the root on. For `duplicate` it ends with the repeated
   * name.
   */
  readonly path: readonly (string | number)[];
}

const [QUOTE, COMMA, BACKSLASH] = [0x22, 0x2c, 0x5c];
const [OPEN, CLOSE] = [0x7b, 0x7d];
/** This bit turns a bracket into a brace. */
const BRACE = 0x20;
/** A longer string is searched for its end, which is faster per letter and costs more to start. */
const SHORT_STRING = 24;
/** Up to this number, comparing a name with each other one is cheaper than a set. */
const MAX_COMPARED = 16;

/**
 * Returns the first fault of a JSON text, or undefined. It makes one pass and skips strings whole,
 * so a megabyte of base64 costs a search for its end. It checks only bounds and duplicate names:
 * its result for a text that is not JSON means nothing, and `JSON.parse` refuses such a
 * text. RFC 8259 §4: parsers differ in which of two members with one name they use.
 */
export function jsonFault(text: string, bounds: JsonBounds): JsonFault | undefined {
  const nesting = new Nesting(text, bounds);
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    let fault: JsonFault['kind'] | undefined;
    if (code === QUOTE) {
      const start = at + 1;
      at = endOfString(text, start);
      if (at === -1) return undefined;
      fault = nesting.string(start, at);
    } else if (code === COMMA) fault = nesting.next();
    else if ((code | BRACE) === OPEN) fault = nesting.open(code === OPEN);
    else if ((code | BRACE) === CLOSE) nesting.close();
    if (fault) return { kind: fault, path: nesting.path() };
  }
  return undefined;
}

/** The open objects and arrays. */
class Nesting {
  readonly #text: string;
  readonly #bounds: JsonBounds;
  readonly #levels: Level[] = [];
  #depth = 0;
  #values = 1;
  #level: Level | undefined;

  constructor(text: string, bounds: JsonBounds) {
    this.#text = text;
    this.#bounds = bounds;
  }

  open(isObject: boolean): JsonFault['kind'] | undefined {
    if (this.#depth === this.#bounds.maxDepth) return 'depth';
    this.#level = this.#levels[this.#depth] ??= new Level();
    this.#level.open(isObject);
    this.#depth += 1;
    this.#values += 1;
    return undefined;
  }

  close(): void {
    this.#depth = Math.max(0, this.#depth - 1);
    this.#level = this.#depth === 0 ? undefined : this.#levels[this.#depth - 1];
  }

  next(): JsonFault['kind'] | undefined {
    const level = this.#level;
    level?.next();
    this.#values += 1;
    if (this.#values > this.#bounds.maxValues) return 'values';
    return level?.isObject && level.index >= this.#bounds.maxMembers ? 'members' : undefined;
  }

  /** Handles a string that ends at `end`: a value, or the name of a member. */
  string(start: number, end: number): JsonFault['kind'] | undefined {
    const level = this.#level;
    return level?.isNameNext && !level.add(this.#text, start, end) ? 'duplicate' : undefined;
  }

  path(): JsonFault['path'] {
    const open = this.#levels.slice(0, this.#depth);
    return open.map((level) => (level.isObject ? level.lastName(this.#text) : level.index));
  }
}

/** An open object or array; reused for the next one of the same depth. */
class Level {
  isObject = false;
  isNameNext = false;
  index = 0;
  /**
   * The start and end of each name, in turn: cutting names out of the text would cost more than all
   * the rest.
   */
  readonly #places: number[] = [];
  #count = 0;
  /** Replaces the places for many names and for names with escapes. */
  #names: Set<string> | undefined;

  open(isObject: boolean): void {
    this.isObject = isObject;
    this.isNameNext = isObject;
    this.index = 0;
    this.#count = 0;
    this.#names = undefined;
  }

  next(): void {
    this.isNameNext = this.isObject;
    this.index += 1;
  }

  lastName(text: string): string {
    const last = 2 * (this.#count - 1);
    return this.#count === 0 ? '' : nameIn(text, this.#places[last] ?? 0, this.#places[last + 1] ?? 0);
  }

  /** Returns false for a name that exists already. */
  add(text: string, start: number, end: number): boolean {
    this.isNameNext = false;
    if (!this.#names && (this.#count === MAX_COMPARED || hasEscape(text, start, end))) this.#names = this.#read(text);
    const isNew = this.#names ? isAdded(this.#names, nameIn(text, start, end)) : !this.#has(text, start, end);
    this.#places[2 * this.#count] = start;
    this.#places[2 * this.#count + 1] = end;
    this.#count += 1;
    return isNew;
  }

  #has(text: string, start: number, end: number): boolean {
    for (let n = 0; n < this.#count; n += 1) {
      const other = this.#places[2 * n] ?? 0;
      const isOfLength = (this.#places[2 * n + 1] ?? 0) - other === end - start;
      if (isOfLength && isSame(text, start, other, end - start)) return true;
    }
    return false;
  }

  #read(text: string): Set<string> {
    const names = new Set<string>();
    for (let n = 0; n < this.#count; n += 1) {
      names.add(nameIn(text, this.#places[2 * n] ?? 0, this.#places[2 * n + 1] ?? 0));
    }
    return names;
  }
}

function isAdded(names: Set<string>, name: string): boolean {
  const before = names.size;
  return names.add(name).size > before;
}

function isSame(text: string, start: number, other: number, length: number): boolean {
  for (let n = 0; n < length; n += 1) if (text.charCodeAt(start + n) !== text.charCodeAt(other + n)) return false;
  return true;
}

function hasEscape(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) if (text.charCodeAt(at) === BACKSLASH) return true;
  return false;
}

/** Returns the place of the quote that ends a string, or -1. */
function endOfString(text: string, start: number): number {
  for (let at = start; at < start + SHORT_STRING; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at;
    if (code === BACKSLASH) break;
  }
  let end = text.indexOf('"', start);
  while (end !== -1 && isEscaped(text, start, end)) end = text.indexOf('"', end + 1);
  return end;
}

/** Returns whether an odd number of backslashes precedes a place. */
function isEscaped(text: string, start: number, at: number): boolean {
  let first = at;
  while (first > start && text.charCodeAt(first - 1) === BACKSLASH) first -= 1;
  return (at - first) % 2 === 1;
}

/**
 * Returns a name without its escapes, because two spellings of one name are the same. An invalid
 * JSON string is returned unchanged.
 */
function nameIn(text: string, start: number, end: number): string {
  const name = text.slice(start, end);
  if (!name.includes('\\')) return name;
  try {
    return JSON.parse(`"${name}"`) as string;
  } catch {
    return name;
  }
}
