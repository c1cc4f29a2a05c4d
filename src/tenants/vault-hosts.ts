/** Which vault addresses a deployment may dial. Nothing else is ever dialled, whatever a record or a ciphertext says. */
export interface VaultHosts {
  readonly suffixes: readonly string[];
  /** Whether a lower-case URL without a slash at the end is a vault's. */
  accept(url: string): boolean;
}

const LABEL = '[a-z](?:[a-z0-9-]{1,22}[a-z0-9])';
const LOOPBACK = /^https:\/\/(?:localhost|127\.0\.0\.1):[0-9]{1,5}$/;

/** Vaults of the cloud's own suffixes; on loopback too where the emulator is allowed. */
export function vaultHosts(suffixes: readonly string[], unsafeAllowEmulator: boolean): VaultHosts {
  const escaped = suffixes.map((suffix) => suffix.replaceAll('.', String.raw`\.`));
  const pattern = new RegExp(`^https://${LABEL}(?:${escaped.join('|')})$`);
  return {
    suffixes,
    accept: (url) => pattern.test(url) || (unsafeAllowEmulator && LOOPBACK.test(url)),
  };
}
