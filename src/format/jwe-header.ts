import { ServiceError } from '../errors.ts';
import type { DataKey } from './data-key.ts';
import { type KekRef, parseKid } from './kek-ref.ts';
import { isDataAlgorithm, type WrapAlgorithm } from './wrap-algorithms.ts';

/**
 * `typ` of a message or data key, a stream's header, a branch key, an index key. Every reader
 * accepts exactly one.
 */
export type JweType = 'vaultspan+jwe' | 'vaultspan-stream+jwe' | 'vaultspan-branch+jwe' | 'vaultspan-index-key+jwe';

/** Protected header of a ciphertext (RFC 7516 §4), with its members in their order. */
export interface JweHeader {
  readonly alg: WrapAlgorithm;
  readonly enc: 'A256GCM';
  readonly kid: string;
  readonly typ: JweType;
  readonly tid: string;
  readonly kc: string;
  readonly mac: string;
  readonly ctx?: string;
}

export interface ParsedHeader {
  readonly header: JweHeader;
  /** The key version that `kid` names. */
  readonly kek: KekRef;
}

/**
 * The header without `ctx` is constant for a data key. It is encoded once, up to a multiple of
 * three bytes.
 */
export interface HeaderTemplate {
  readonly withoutContext: string;
  readonly start: string;
  readonly rest: string;
}

const MAX_HEADER_CHARACTERS = 2_048;
const TYPES: ReadonlySet<unknown> = new Set<JweType>([
  'vaultspan+jwe',
  'vaultspan-stream+jwe',
  'vaultspan-branch+jwe',
  'vaultspan-index-key+jwe',
]);
/** A tenant's id, as `tid` carries it. */
export const TENANT_ID = /^[a-z0-9-]{1,64}$/;
// Canonical base64url of 32 and of 16 bytes: the last character's spare bits are zero.
const BYTES_32 = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;
const BYTES_16 = /^[A-Za-z0-9_-]{21}[AQgw]$/;

export function headerTemplate(dataKey: DataKey, mac: string, typ: JweType): HeaderTemplate {
  const header: JweHeader = {
    alg: dataKey.algorithm,
    enc: 'A256GCM',
    kid: dataKey.kid,
    typ,
    tid: dataKey.tenantId,
    kc: dataKey.commitment,
    mac,
  };
  const json = JSON.stringify(header);
  const open = json.slice(0, -1);
  const aligned = open.length - (open.length % 3);
  return {
    withoutContext: base64Url(json),
    start: base64Url(open.slice(0, aligned)),
    rest: open.slice(aligned),
  };
}

/** Returns the encoded protected header; without an encryption context it has no `ctx`. */
export function encodeHeader(template: HeaderTemplate, ctx: string | undefined): string {
  return ctx === undefined ? template.withoutContext : template.start + base64Url(`${template.rest},"ctx":"${ctx}"}`);
}

/**
 * Returns the parsed header. Its text must equal its own members serialized again in order. This
 * one comparison refuses duplicates, escapes, whitespace, `crit`, `zip`, further members, padding
 * and spare bits.
 * @throws ServiceError `malformed-ciphertext`
 */
export function parseHeader(encoded: string): ParsedHeader {
  if (encoded.length > MAX_HEADER_CHARACTERS) throw malformed('the header is longer than 2,048 characters');
  const members = parseObject(Buffer.from(encoded, 'base64url').toString('latin1'));
  if (!members || !isHeader(members)) throw malformed('the header does not match this format');
  const { alg, enc, kid, typ, tid, kc, mac, ctx } = members;
  const header: JweHeader = { alg, enc, kid, typ, tid, kc, mac, ...(ctx !== undefined && { ctx }) };
  if (base64Url(JSON.stringify(header)) !== encoded) throw malformed('the header is not in canonical form');
  const kek = parseKid(kid);
  if (!kek) throw malformed('the header does not name a version of a Key Vault key');
  return { header, kek };
}

function isHeader(
  members: Readonly<Record<string, unknown>>,
): members is Readonly<Record<string, unknown>> & JweHeader {
  const { alg, enc, kid, typ, tid, kc, mac, ctx } = members;
  return (
    isDataAlgorithm(alg) &&
    enc === 'A256GCM' &&
    typeof kid === 'string' &&
    TYPES.has(typ) &&
    matches(TENANT_ID, tid) &&
    matches(BYTES_32, kc) &&
    matches(BYTES_16, mac) &&
    (ctx === undefined || matches(BYTES_32, ctx))
  );
}

const matches = (pattern: RegExp, value: unknown): boolean => typeof value === 'string' && pattern.test(value);

function parseObject(json: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}

/** Returns base64url. Headers are ASCII: the patterns of the members refuse any other text. */
const base64Url = (ascii: string): string => Buffer.from(ascii, 'latin1').toString('base64url');

export function malformed(detail: string): ServiceError {
  return new ServiceError('malformed-ciphertext', `ciphertext: ${detail}`, {
    errors: [{ pointer: '/ciphertext', detail }],
  });
}
