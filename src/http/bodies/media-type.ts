import type { IncomingHttpHeaders } from 'node:http';
import { ServiceError } from '../../errors.ts';

const TOKEN = "[!#$%&'*+.^`|~\\w-]+";
const TYPE = new RegExp(`^(${TOKEN}/${TOKEN})[ \\t]*`);
// A parameter may be empty (RFC 9110 §5.6.6), and no space is allowed around its "=".
const PARAMETER = new RegExp(`;[ \\t]*(?:(${TOKEN})=(${TOKEN}|"(?:[^"\\\\]|\\\\.)*"))?[ \\t]*`, 'y');
const UTF8: ReadonlySet<string> = new Set(['utf-8', 'utf8']);

/**
 * Checks the media type of a body (RFC 9110 §8.3, §8.4). It has the expected type, is in UTF-8 if
 * it names a charset, and is not compressed. Parameters with other names have no meaning here and
 * are ignored.
 * @throws ServiceError `unsupported-media-type`
 */
export function assertMediaType(headers: IncomingHttpHeaders, expected: string): void {
  const { 'content-type': type, 'content-encoding': encoding } = headers;
  if (type !== expected && !isType(type ?? '', expected)) {
    const charset = expected === OCTETS ? '' : ' in UTF-8';
    throw new ServiceError('unsupported-media-type', `The body must be ${expected}${charset}`);
  }
  if (encoding !== undefined && !isIdentity(encoding)) {
    throw new ServiceError('unsupported-media-type', 'The body must not be compressed: send no Content-Encoding');
  }
}

export const OCTETS = 'application/octet-stream';

function isType(text: string, expected: string): boolean {
  const [start = '', name = ''] = TYPE.exec(text) ?? [];
  if (name.toLowerCase() !== expected) return false;
  PARAMETER.lastIndex = start.length;
  while (PARAMETER.lastIndex < text.length) {
    const [found, attribute = '', value = ''] = PARAMETER.exec(text) ?? [];
    if (found === undefined) return false;
    if (attribute.toLowerCase() === 'charset' && expected !== OCTETS && !UTF8.has(unquoted(value).toLowerCase()))
      return false;
  }
  return true;
}

const unquoted = (value: string): string =>
  value.startsWith('"') ? value.slice(1, -1).replaceAll(/\\(.)/g, '$1') : value;

/**
 * Returns whether no coding is used. Codings are case-insensitive, and a list may have empty
 * members (RFC 9110 §5.6.1, §8.4.1).
 */
const isIdentity = (encoding: string): boolean =>
  encoding.split(',').every((coding) => ['', 'identity'].includes(coding.trim().toLowerCase()));
