/**
 * The vault addresses that a deployment may call. It calls no other, whatever a record or a
 * ciphertext contains.
 */
export interface VaultHosts {
  readonly suffixes: readonly string[];
  /** Returns whether a lower-case URL without a trailing slash belongs to a vault. */
  accept(url: string): boolean;
  /** Returns whether it is the vendor's own vault, whose keys belong to no tenant. */
  isHome(url: string): boolean;
}

export interface VaultHostsOptions {
  readonly suffixes: readonly string[];
  readonly unsafeAllowEmulator: boolean;
  readonly homeVaultUrl: string;
}

const LABEL = '[a-z](?:[a-z0-9-]{1,22}[a-z0-9])';
const LOOPBACK = /^https:\/\/(?:localhost|127\.0\.0\.1):[0-9]{1,5}$/;

/**
 * Returns the rule: vaults of the cloud's own suffixes, and vaults on loopback if the emulator is
 * allowed.
 */
export function vaultHosts({ suffixes, unsafeAllowEmulator, homeVaultUrl }: VaultHostsOptions): VaultHosts {
  const escaped = suffixes.map((suffix) => suffix.replaceAll('.', String.raw`\.`));
  const pattern = new RegExp(`^https://${LABEL}(?:${escaped.join('|')})$`);
  const home = originOf(homeVaultUrl);
  return {
    suffixes,
    accept: (url) => pattern.test(url) || (unsafeAllowEmulator && LOOPBACK.test(url)),
    isHome: (url) => originOf(url) === home,
  };
}

/** Returns one spelling for each vault; an emulated one has two names. */
const originOf = (url: string): string | undefined => URL.parse(url)?.origin.replace('//127.0.0.1:', '//localhost:');
