/** Pairs that a ciphertext is bound to, such as table and row. Not secret, not stored: give the same ones to decrypt. */
export type EncryptionContext = Readonly<Record<string, string>>;

/** Members of a request that a context adds; none for an empty context, which is the same as none. */
export function contextMember(context: EncryptionContext | undefined): { encryptionContext?: EncryptionContext } {
  checkContext(context);
  return context === undefined ? {} : { encryptionContext: context };
}

/** @throws TypeError for a value that is no text */
export function checkContext(context: EncryptionContext | undefined): void {
  if (context === undefined) return;
  for (const name of Object.keys(context)) {
    const value: unknown = context[name];
    if (typeof value !== 'string') {
      throw new TypeError(`context.${name} is ${value === null ? 'null' : `a ${typeof value}`}: values are strings`);
    }
  }
}
