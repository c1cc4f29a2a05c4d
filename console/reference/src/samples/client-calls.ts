import type { Inputs } from './request.ts';

type Context = Readonly<Record<string, string>>;

/** Options of a call of the client libraries; undefined ones are left out. */
export interface CallOptions {
  readonly context?: Context | undefined;
  readonly key?: string | undefined;
  readonly to?: unknown;
}

/** One value that a client library takes, and the options of its call. */
export interface Item {
  readonly value: unknown;
  readonly options: CallOptions;
}

/** A call that the client libraries have. Values of data are texts, or bytes as base64. */
export type ClientCall =
  | { readonly kind: 'one' | 'many'; readonly verb: Verb; readonly items: readonly Item[] }
  | { readonly kind: 'index'; readonly verb: IndexVerb; readonly index: string; readonly item: Item }
  | { readonly kind: 'stream'; readonly verb: 'encrypt' | 'decrypt'; readonly options: CallOptions };

export type Verb = 'encrypt' | 'decrypt' | 'rewrap' | 'encryptFields' | 'decryptFields' | 'rewrapFields';
type IndexVerb = 'tokens' | 'encryptDeterministic' | 'decryptDeterministic';

/** Bytes that are no text, as base64. */
export class Base64 {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Members = Readonly<Record<string, unknown>>;
type Reader = (body: Members) => Item | undefined;

const data = (member: string): Reader => read(member, dataOf);
const text = (member: string): Reader => read(member, (value) => (typeof value === 'string' ? value : undefined));
const records = (member: string, convert: (value: unknown) => unknown): Reader =>
  read(member, (value) =>
    isMembers(value) ? Object.fromEntries(Object.entries(value).map(([n, v]) => [n, convert(v)])) : undefined,
  );

const VERBS: Readonly<Record<string, { readonly verb: Verb; readonly read: Reader }>> = {
  encryptData: { verb: 'encrypt', read: data('plaintext') },
  decryptData: { verb: 'decrypt', read: text('ciphertext') },
  rewrapData: { verb: 'rewrap', read: text('ciphertext') },
  encryptDocument: { verb: 'encryptFields', read: records('fields', dataOf) },
  decryptDocument: { verb: 'decryptFields', read: records('fields', (value) => value) },
  rewrapDocument: { verb: 'rewrapFields', read: records('fields', (value) => value) },
};
const BATCHES: Readonly<Record<string, string>> = {
  encryptBatch: 'encryptData',
  decryptBatch: 'decryptData',
  rewrapBatch: 'rewrapData',
  encryptDocumentBatch: 'encryptDocument',
  decryptDocumentBatch: 'decryptDocument',
  rewrapDocumentBatch: 'rewrapDocument',
};
const INDEX_VERBS: Readonly<Record<string, { readonly verb: IndexVerb; readonly read: Reader }>> = {
  createTokens: { verb: 'tokens', read: read('values', (value) => listOf(value, dataOf)) },
  encryptDeterministic: { verb: 'encryptDeterministic', read: read('values', (value) => listOf(value, dataOf)) },
  decryptDeterministic: { verb: 'decryptDeterministic', read: read('values', (value) => listOf(value, (one) => one)) },
};

/** Returns the call of the client libraries that does the same; undefined if there is none. */
export function clientCallOf(id: string, { parameters, body }: Inputs): ClientCall | undefined {
  if (id === 'encryptStream' || id === 'decryptStream') return streamCall(id, parameters);
  const members = typeof body === 'string' ? parse(body) : undefined;
  if (!members) return undefined;
  const one = VERBS[id];
  const item = one?.read(members);
  if (one && item) return { kind: 'one', verb: one.verb, items: [item] };
  const each = VERBS[BATCHES[id] ?? ''];
  if (each && Array.isArray(members['items'])) {
    const items = members['items'].map((entry: unknown) => (isMembers(entry) ? each.read(entry) : undefined));
    return items.every((entry) => entry !== undefined) ? { kind: 'many', verb: each.verb, items } : undefined;
  }
  const look = INDEX_VERBS[id];
  const asked = look?.read(members);
  return look && asked
    ? { kind: 'index', verb: look.verb, index: entered(parameters, 'name'), item: asked }
    : undefined;
}

function streamCall(id: 'encryptStream' | 'decryptStream', parameters: Inputs['parameters']): ClientCall | undefined {
  const header = entered(parameters, 'Encryption-Context');
  const context = header === '' ? undefined : parse(textOfBase64(header, 'base64url') ?? '');
  if (header !== '' && !isContext(context)) return undefined;
  const options = { context: context as Context | undefined, key: entered(parameters, 'key') || undefined };
  return { kind: 'stream', verb: id === 'encryptStream' ? 'encrypt' : 'decrypt', options };
}

const entered = (parameters: Inputs['parameters'], name: string): string => parameters[name] ?? '';

/** Returns a reader of a body; it returns undefined for a body that has something the libraries do not. */
function read(member: string, convert: (value: unknown) => unknown): Reader {
  return ({ [member]: given, encryptionContext: context, key, to, ...others }) => {
    const value = convert(given);
    const isKnown = Object.keys(others).length === 0 && (context === undefined || isContext(context));
    if (value === undefined || !isKnown || (key !== undefined && typeof key !== 'string')) return undefined;
    return { value, options: { context: context as Context | undefined, key, to } };
  };
}

/** Returns base64 as text, or as Base64 if the bytes are none. */
function dataOf(value: unknown): string | Base64 | undefined {
  if (typeof value !== 'string') return undefined;
  return textOfBase64(value, 'base64') ?? new Base64(value);
}

function textOfBase64(base64: string, alphabet: 'base64' | 'base64url'): string | undefined {
  try {
    const decoded = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      Uint8Array.fromBase64(base64, { alphabet }),
    );
    return /\p{Cc}/u.test(decoded) ? undefined : decoded;
  } catch {
    return undefined;
  }
}

const listOf = (value: unknown, each: (one: unknown) => unknown): unknown =>
  Array.isArray(value) ? value.map(each) : undefined;

const isMembers = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isContext = (value: unknown): boolean =>
  isMembers(value) && Object.values(value).every((one) => typeof one === 'string');

function parse(json: string): Members | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return isMembers(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Returns the claims of the access headers, decoded as the libraries encode them. */
export function accessOf(parameters: Inputs['parameters']): Members | undefined {
  const claims = ['subject', 'reason', 'label'].map((name) => {
    const header = entered(parameters, `Access-${name.charAt(0).toUpperCase()}${name.slice(1)}`);
    return [name, decoded(header)] as const;
  });
  const given = claims.filter(([, value]) => value !== '');
  return given.length === 0 ? undefined : Object.fromEntries(given);
}

function decoded(header: string): string {
  try {
    return decodeURIComponent(header);
  } catch {
    return header;
  }
}
