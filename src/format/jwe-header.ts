import { ServiceError } from '../errors.ts';
import { lastingAad } from './aes-gcm.ts';
import { decodeBase64Url } from './base64.ts';
import type { DataKey } from './data-key.ts';
import { type KekRef, parseKid } from './kek-ref.ts';
import { DATA_ALGORITHMS, type WrapAlgorithm } from './wrap-algorithms.ts';

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
  /** Its bytes, the additional authenticated data. */
  readonly aad: Buffer;
  readonly start: string;
  readonly rest: string;
}

const MAX_HEADER_CHARACTERS = 2_048;
const TYPES: readonly JweType[] = [
  'vaultspan+jwe',
  'vaultspan-stream+jwe',
  'vaultspan-branch+jwe',
  'vaultspan-index-key+jwe',
];
/** A tenant's id, as `tid` carries it. */
export const TENANT_ID = /^[a-z0-9-]{1,64}$/;
// Canonical base64url of 32 and of 16 bytes: the last character's spare bits are zero.
const BYTES_32 = '[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]';
const BYTES_16 = '[A-Za-z0-9_-]{21}[AQgw]';
const oneOf = (names: readonly string[]): string => names.map((name) => RegExp.escape(name)).join('|');

/** The header's text as JSON.stringify writes it. No member has a character that JSON would escape. */
const HEADER = new RegExp(
  [
    `^\\{"alg":"(${oneOf(DATA_ALGORITHMS)})"`,
    '"enc":"A256GCM"',
    '"kid":"([^"\\\\]+)"',
    `"typ":"(${oneOf(TYPES)})"`,
    '"tid":"([a-z0-9-]{1,64})"',
    `"kc":"(${BYTES_32})"`,
    `"mac":"(${BYTES_16})"(?:,"ctx":"(${BYTES_32})")?\\}$`,
  ].join(','),
);

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
  const withoutContext = base64Url(json);
  return {
    withoutContext,
    aad: lastingAad(withoutContext),
    start: base64Url(open.slice(0, aligned)),
    rest: open.slice(aligned),
  };
}

/** Returns the encoded protected header; without an encryption context it has no `ctx`. */
export function encodeHeader(template: HeaderTemplate, ctx: string | undefined): string {
  return ctx === undefined ? template.withoutContext : template.start + base64Url(`${template.rest},"ctx":"${ctx}"}`);
}

/**
 * Returns the parsed header. One pattern is its whole grammar, and its base64url is canonical. So
 * each header has one text: no duplicates, escapes, whitespace, `crit`, `zip`, further members,
 * padding or spare bits.
 * @throws ServiceError `malformed-ciphertext`
 */
export function parseHeader(encoded: string): ParsedHeader {
  if (encoded.length > MAX_HEADER_CHARACTERS) throw malformed('the header is longer than 2,048 characters');
  const bytes = decodeBase64Url(encoded);
  if (!bytes) throw malformed('the header is not canonical base64url');
  const match = HEADER.exec(bytes.toString('latin1'));
  if (!match) throw malformed('the header does not match this format');
  const [, alg, kid = '', typ, tid, kc, mac, ctx] = match;
  const kek = parseKid(kid);
  if (!kek) throw malformed('the header does not name a version of a Key Vault key');
  const members = { alg, enc: 'A256GCM', kid, typ, tid, kc, mac };
  return { header: (ctx === undefined ? members : { ...members, ctx }) as JweHeader, kek }; // as the pattern has them
}

/** Returns base64url. A header is ASCII, as its pattern requires. */
const base64Url = (ascii: string): string => Buffer.from(ascii, 'latin1').toString('base64url');

export function malformed(detail: string): ServiceError {
  return new ServiceError('malformed-ciphertext', `ciphertext: ${detail}`, {
    errors: [{ pointer: '/ciphertext', detail }],
  });
}
