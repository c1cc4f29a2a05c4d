import { kindOf } from './kind-of.ts';

/** Pairs that a ciphertext is bound to, such as table and row. Not secret, not stored: give the same ones to decrypt. */
export type EncryptionContext = Readonly<Record<string, string>>;

/** Members of a request that a context adds; none for an empty context, which is the same as none. */
export function contextMember(context: EncryptionContext | undefined): { encryptionContext?: EncryptionContext } {
  checkContext(context);
  return context === undefined ? {} : { encryptionContext: context };
}

/**
 * @throws TypeError for a value that is no text, and for a Map or an array of pairs, which have no members of their own:
 * they would be no context at all
 */
export function checkContext(context: EncryptionContext | undefined): void {
  if (context === undefined) return;
  if (!isRecord(context)) throw new TypeError(`context is ${kindOf(context)}: give an object of strings`);
  for (const name of Object.keys(context)) {
    const value: unknown = context[name];
    if (typeof value !== 'string') {
      throw new TypeError(`context.${name} is ${kindOf(value)}: values are strings`);
    }
  }
}

/** Returns whether a value has its content in members: none of Map, Set, array, Headers, URLSearchParams. */
export function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !(Symbol.iterator in value);
}
