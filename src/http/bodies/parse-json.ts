import { Buffer, isAscii, isUtf8 } from 'node:buffer';
import { ServiceError } from '../../errors.ts';
import { type JsonFault, jsonFault } from '../../lib/json-fault.ts';
import { pointerOf } from '../../lib/parse-input.ts';

export interface JsonText {
  readonly maxValues: number;
  /** The header that contains the text; '' for the body. */
  readonly pointer?: string;
}

/** Deeper than any request; later code that walks a value may be recursive. */
const MAX_DEPTH = 32;
/** More than any object of a request has: a document has at most 256 fields. */
const MAX_MEMBERS = 1_000;
/** A member below this one is the caller's customers' data: no answer quotes its name. */
const CONTEXT = 'encryptionContext';
const UTF8_MARK = Buffer.of(0xef, 0xbb, 0xbf);
const UTF16_MARKS = [Buffer.of(0xfe, 0xff), Buffer.of(0xff, 0xfe)];

/**
 * Returns the value of a JSON text in UTF-8 (RFC 8259 §8.1).
 * @throws ServiceError `malformed-request`
 */
export function parseJson(bytes: Buffer, { maxValues, pointer = '' }: JsonText): unknown {
  const problem = encodingProblem(bytes);
  if (problem !== undefined) throw malformedField(pointer, problem);
  const text = bytes.toString(isAscii(bytes) ? 'latin1' : 'utf8');
  const fault = jsonFault(text, { maxDepth: MAX_DEPTH, maxValues, maxMembers: MAX_MEMBERS });
  if (fault) throw faulty(fault, { maxValues, pointer });
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw malformedField(pointer, 'is not JSON');
  }
}

/**
 * Returns the encoding problem. Bytes that are not UTF-8 would silently become U+FFFD, and
 * different contexts would become equal.
 */
function encodingProblem(bytes: Buffer): string | undefined {
  if (bytes.length === 0) return 'is empty';
  if (isAscii(bytes)) return undefined;
  if (startsWith(bytes, UTF8_MARK)) return 'starts with a byte order mark (BOM); send the JSON without it';
  if (UTF16_MARKS.some((mark) => startsWith(bytes, mark))) return 'is UTF-16 by its byte order mark (BOM); send UTF-8';
  return isUtf8(bytes) ? undefined : 'is not UTF-8';
}

const startsWith = (bytes: Buffer, mark: Buffer): boolean => bytes.subarray(0, mark.length).equals(mark);

function faulty({ kind, path }: JsonFault, { maxValues, pointer = '' }: JsonText): ServiceError {
  if (kind === 'depth') return malformedField(pointer, `is nested more than ${MAX_DEPTH} levels deep`);
  if (kind === 'members') return malformedField(pointer, `has an object with more than ${MAX_MEMBERS} members`);
  if (kind === 'values') return malformedField(pointer, `has more than ${maxValues} values`);
  const context = path.indexOf(CONTEXT);
  const isInContext = context !== -1 && context < path.length - 1;
  if (pointer !== '' || isInContext) {
    const place = pointer === '' ? pointerOf(path.slice(0, context + 1)) : pointer;
    return malformedField(place, 'has two members with the same name');
  }
  return malformedField(pointerOf(path), 'occurs more than once');
}

/** Returns the refusal of a field, or of the body if the pointer is ''. */
export function malformedField(pointer: string, detail: string): ServiceError {
  const place = pointer === '' ? 'the body' : pointer;
  return new ServiceError('malformed-request', `The request is malformed: ${place} ${detail}`, {
    errors: [{ pointer, detail }],
  });
}
