import { type CompactMessage, compactParser, isCompact, JWE_TYPES, type LeafUse } from './compact.ts';
import { type Jwe, jweParser } from './jwe.ts';

/** A message of either form with a valid form; no part of it is authenticated yet. */
export type Message = Jwe | CompactMessage;

export const isCompactMessage = (message: Message): message is CompactMessage => 'leaf' in message;

/**
 * Returns a parser of messages for one use. It remembers the last header, which the messages of a
 * batch share most of the time.
 * The parser throws ServiceError `malformed-ciphertext`.
 */
export function messageParser(use: LeafUse): (text: string) => Message {
  const parseJwe = jweParser(JWE_TYPES[use]);
  const parseCompact = compactParser();
  return (text) => (isCompact(text) ? parseCompact(text) : parseJwe(text));
}
