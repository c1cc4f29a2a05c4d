import type { IncomingMessage } from 'node:http';
import { decodeAnyBase64 } from '../../format/base64.ts';
import { malformedField, parseJson } from '../bodies/parse-json.ts';

/** The header's name in Node, and the field's name in a problem. */
const NAME = 'encryption-context';
export const CONTEXT_POINTER = '/header/Encryption-Context';
/** More members than allowed, so that the later check can give a better message. */
const MAX_VALUES = 1_000;

/**
 * Returns the value of `Encryption-Context`, base64url of JSON, as `JSON.parse` makes it; undefined
 * without one.
 * @throws ServiceError `malformed-request`
 */
export function encryptionContextOf(req: IncomingMessage): unknown {
  const text = req.headers[NAME];
  if (text === undefined) return undefined;
  const bytes = typeof text === 'string' ? decodeAnyBase64(text) : undefined;
  if (!bytes) throw malformedField(CONTEXT_POINTER, 'is not base64url');
  return parseJson(bytes, { maxValues: MAX_VALUES, pointer: CONTEXT_POINTER });
}
