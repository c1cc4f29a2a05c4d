import { type CompactMessage, compactParser, isCompactAt, JWE_TYPES, type LeafUse } from './compact.ts';
import { type Jwe, jweParser } from './jwe.ts';
import { bytesOfMessage, type ParseAt } from './sealed-text.ts';

/** A message of either form with a valid form; no part of it is authenticated yet. */
export type Message = Jwe | CompactMessage;

export const isCompactMessage = (message: Message): message is CompactMessage => 'leaf' in message;

/**
 * Returns a parser of messages for one use. It remembers the last header, which the messages of a
 * batch share most of the time.
 * The parser throws ServiceError `malformed-ciphertext`.
 */
export function messageParser(use: LeafUse): ParseAt<Message> {
  const parseJwe = jweParser(JWE_TYPES[use]);
  const parseCompact = compactParser();
  return (text, start, end) => (isCompactAt(text, start) ? parseCompact(text, start, end) : parseJwe(text, start, end));
}

/**
 * Returns the parsed message of a text.
 * @throws ServiceError `malformed-ciphertext`
 */
export function parseMessage(text: string, use: LeafUse): Message {
  const bytes = bytesOfMessage(text);
  return messageParser(use)(bytes, 0, bytes.length);
}
