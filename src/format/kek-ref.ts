/** One version of one key in one vault. */
export interface KekRef {
  /** `https://HOST[:PORT]`, lower-case, without a trailing slash. */
  readonly vaultUrl: string;
  readonly name: string;
  /** 32 lower-case hex digits. */
  readonly keyVersion: string;
}

const KID = /^(https:\/\/[a-z0-9.-]{1,253}(?::[0-9]{1,5})?)\/keys\/([0-9A-Za-z-]{1,127})\/([0-9a-f]{32})$/;

/** Returns Key Vault's own id of a key version. */
export const kidOf = (kek: KekRef): string => `${kek.vaultUrl}/keys/${kek.name}/${kek.keyVersion}`;

/** Returns the parts of a key id in exactly the form of `kidOf`, or undefined. */
export function parseKid(kid: string): KekRef | undefined {
  const match = KID.exec(kid);
  if (!match) return undefined;
  const [, vaultUrl = '', name = '', keyVersion = ''] = match;
  return { vaultUrl, name, keyVersion };
}
