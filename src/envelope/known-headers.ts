import { LRUCache } from 'lru-cache';
import { copied } from '../cache/copied.ts';
import type { ParsedHeader } from './jwe-header.ts';

/** `,"ctx":"` … `"}`: all that differs between the headers under one data key stands at their end. */
const CTX = /^,"ctx":"([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])"\}$/;
const CTX_CHARACTERS = 53;
const MAX_KNOWN = 1_000;

interface Known {
  readonly parsed: ParsedHeader;
  /** How this very header ends. */
  readonly end: string;
  /** What stands in JSON between the start and `ctx`; undefined where there was no `ctx`. */
  readonly middle: string | undefined;
}

/** Headers that were found to be right, by their start. A memory of pure work: what it answers, parsing would answer too. */
const known = new LRUCache<string, Known>({ max: MAX_KNOWN });

/** The parsed header, where one that differs in `ctx` at most was parsed before: 0.2 µs instead of 1.7. */
export function knownHeader(encoded: string): ParsedHeader | undefined {
  const at = startLength(encoded);
  const match = known.get(encoded.slice(0, at));
  if (!match) return undefined;
  const end = encoded.slice(at);
  if (end === match.end) return match.parsed;
  if (match.middle === undefined) return undefined;
  const json = Buffer.from(end, 'base64url').toString('latin1');
  const ctx = json.startsWith(match.middle) ? CTX.exec(json.slice(match.middle.length))?.[1] : undefined;
  if (ctx === undefined || Buffer.from(json, 'latin1').toString('base64url') !== end) return undefined;
  return { header: { ...match.parsed.header, ctx }, kek: match.parsed.kek };
}

/** To be called with a header in canonical form only. */
export function rememberHeader(encoded: string, parsed: ParsedHeader): void {
  const at = startLength(encoded);
  const end = copied(encoded.slice(at));
  const json = Buffer.from(end, 'base64url').toString('latin1');
  const middle = parsed.header.ctx === undefined ? undefined : json.slice(0, json.length - CTX_CHARACTERS);
  known.set(copied(encoded.slice(0, at)), { parsed, end, middle });
}

/** Up to where base64 can stop before a `ctx`. */
function startLength(encoded: string): number {
  const before = Math.max(0, Math.floor((encoded.length * 3) / 4) - CTX_CHARACTERS);
  return Math.floor(before / 3) * 4;
}
