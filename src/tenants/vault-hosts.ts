/**
 * The addresses of customers that a deployment may call. It calls no other, whatever a record or a
 * ciphertext contains.
 */
export interface VaultHosts {
  /** The form of an accepted address, for messages. */
  readonly form: string;
  /** Returns whether a lower-case URL without a trailing slash belongs to a vault. */
  accept(url: string): boolean;
  /** Data collection endpoints, which get the records of a tenant. */
  readonly ingestion: Pick<VaultHosts, 'form' | 'accept'>;
  /** Returns whether it is the vendor's own vault, whose keys belong to no tenant. */
  isHome(url: string): boolean;
}

export interface VaultHostsOptions {
  readonly suffixes: readonly string[];
  /** Absent: no data collection endpoint but an emulated one. */
  readonly ingestionSuffix?: string;
  readonly unsafeAllowEmulator: boolean;
  readonly homeVaultUrl: string;
}

const LABEL = '[a-z](?:[a-z0-9-]{1,22}[a-z0-9])';
/** One spelling for each emulated vault: a key under a second one would pass for another key. */
const LOOPBACK = /^https:\/\/localhost:[1-9][0-9]{0,4}$/;

/**
 * Returns the rule: vaults of the cloud's own suffixes, and vaults on loopback if the emulator is
 * allowed.
 */
export function vaultHosts(options: VaultHostsOptions): VaultHosts {
  const { suffixes, unsafeAllowEmulator, homeVaultUrl } = options;
  const escaped = suffixes.map((suffix) => suffix.replaceAll('.', String.raw`\.`));
  const pattern = new RegExp(`^https://${LABEL}(?:${escaped.join('|')})$`);
  const home = originOf(homeVaultUrl);
  return {
    form: `https://NAME followed by one of ${suffixes.join(', ')}${unsafeAllowEmulator ? ', or https://localhost:PORT' : ''}`,
    accept: (url) => pattern.test(url) || (unsafeAllowEmulator && LOOPBACK.test(url)),
    ingestion: ingestionHosts(options),
    isHome: (url) => originOf(url) === home,
  };
}

/** Region and zone come between the endpoint's name and the suffix. */
const LABELS = '(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\\.){1,4}';

function ingestionHosts({
  ingestionSuffix: suffix = '.none.invalid',
  unsafeAllowEmulator,
}: VaultHostsOptions): VaultHosts['ingestion'] {
  const pattern = new RegExp(`^https://${LABELS}${suffix.slice(1).replaceAll('.', String.raw`\.`)}$`);
  return {
    form: `https://NAME followed by ${suffix}${unsafeAllowEmulator ? ', or https://localhost:PORT' : ''}`,
    accept: (url) => pattern.test(url) || (unsafeAllowEmulator && LOOPBACK.test(url)),
  };
}

/** Returns one spelling for each vault; an emulated one has two names. */
const originOf = (url: string): string | undefined => URL.parse(url)?.origin.replace('//127.0.0.1:', '//localhost:');
