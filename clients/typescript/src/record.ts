import { base64Of, bytesOf, type Data, fromBase64, textOf } from './bytes.ts';
import { isRecord } from './context.ts';
import { kindOf } from './kind-of.ts';

/** A record's fields once encrypted: text in place of each value, null and undefined as they were. */
export type Encrypted<R, K extends keyof R> = {
  [F in keyof R]: F extends K ? (R[F] extends null | undefined ? R[F] : string | Extract<R[F], null | undefined>) : R[F];
};

/** A record's fields once decrypted: text, or bytes where they were asked for. */
export type Decrypted<R, K extends keyof R, B extends keyof R> = {
  [F in keyof R]: F extends B
    ? Uint8Array | Extract<R[F], null | undefined>
    : F extends K
      ? string | Extract<R[F], null | undefined>
      : R[F];
};

/** Which fields of a record a call takes. */
export interface FieldChoice<K> {
  /** The fields to encrypt or decrypt; default all of them. The others stay as they are. */
  readonly only?: readonly K[];
}

/** Returns the bytes of the chosen fields, without those that are null or undefined. */
export function plainFields(record: object, only: readonly PropertyKey[] | undefined): Map<string, Uint8Array> {
  const fields = new Map<string, Uint8Array>();
  for (const [name, value] of chosen(record, only)) fields.set(name, bytesOf(value as Data, name));
  return fields;
}

/** Returns fields as the service takes them. */
export function inBase64(fields: ReadonlyMap<string, Uint8Array>): Record<string, string> {
  return Object.fromEntries([...fields].map(([name, bytes]) => [name, base64Of(bytes)]));
}

/** Returns fields as the service answers them. */
export function fromBase64Fields(fields: Readonly<Record<string, string>>): Record<string, Uint8Array> {
  return Object.fromEntries(Object.entries(fields).map(([name, base64]) => [name, fromBase64(base64)]));
}

/**
 * Returns the ciphertexts of the chosen fields, without those that are null or undefined.
 * @throws TypeError where a field has no text
 */
export function sealedFields(record: object, only: readonly PropertyKey[] | undefined): Map<string, string> {
  const fields = new Map<string, string>();
  for (const [name, value] of chosen(record, only)) {
    if (typeof value !== 'string') throw new TypeError(`${name} is ${kindOf(value)}: a ciphertext is a string`);
    fields.set(name, value);
  }
  return fields;
}

/** Returns the record with other values for some of its fields. */
export function withFields<R>(record: object, fields: Readonly<Record<string, unknown>>): R {
  return { ...record, ...fields } as R;
}

/**
 * Returns the values of fields: text, or bytes for the named ones.
 * @throws TypeError where a field that was asked for as text is no UTF-8
 */
export function openedFields(
  opened: Readonly<Record<string, Uint8Array>>,
  bytes: readonly PropertyKey[] = [],
): Record<string, Data> {
  const asBytes = new Set<PropertyKey>(bytes);
  return Object.fromEntries(
    Object.entries(opened).map(([name, value]) => [name, asBytes.has(name) ? value : fieldText(name, value)]),
  );
}

function fieldText(name: string, value: Uint8Array): string {
  try {
    return textOf(value);
  } catch {
    throw new TypeError(`${name} is no UTF-8 text: name it in bytes: ['${name}']`);
  }
}

/** @throws TypeError for a record without members, such as a Map: it would come back empty, and nothing encrypted */
function chosen(record: object, only: readonly PropertyKey[] | undefined): [string, unknown][] {
  if (!isRecord(record)) throw new TypeError(`record is ${kindOf(record)}: give an object`);
  const entries = Object.entries(record).filter(([, value]) => value !== null && value !== undefined);
  if (only === undefined) return entries;
  const names = new Set(only);
  for (const name of names) {
    if (!Object.hasOwn(record, name)) throw new TypeError(`only names ${String(name)}, which the record has not`);
  }
  return entries.filter(([name]) => names.has(name));
}
