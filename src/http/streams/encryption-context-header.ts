import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { ServiceError } from '../../errors.ts';
import { decodeAnyBase64 } from '../../format/base64.ts';

/** Of the header as Node has it, and of the field in a problem. */
const NAME = 'encryption-context';
export const CONTEXT_POINTER = '/header/Encryption-Context';

/** The value of `Encryption-Context`, base64url of JSON, as `JSON.parse` made it; undefined without one. @throws ServiceError `malformed-request` */
export function encryptionContextOf(req: IncomingMessage): unknown {
  const text = req.headers[NAME];
  if (text === undefined) return undefined;
  const bytes = typeof text === 'string' ? decodeAnyBase64(text) : undefined;
  if (!bytes || !isUtf8(bytes)) throw malformed('is not base64url of JSON in UTF-8');
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch {
    throw malformed('is not base64url of JSON');
  }
}

const malformed = (detail: string): ServiceError =>
  new ServiceError('malformed-request', `The request is not well formed: ${CONTEXT_POINTER}: ${detail}`, {
    errors: [{ pointer: CONTEXT_POINTER, detail }],
  });
