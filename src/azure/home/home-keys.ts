import { createSecretKey, type KeyObject } from 'node:crypto';
import { ServiceError } from '../../errors.ts';
import { decodeBase64Url } from '../../format/base64.ts';
import type { OriginKeys } from '../../keyring/data-keys.ts';
import type { Clock } from '../../lib/clock.ts';
import { systemRandom } from '../../lib/random.ts';
import type { HomeVault } from './home-vault.ts';

/** The key of `mac`: only its holders make data keys that open. */
export const ORIGIN_KEY_SECRET = 'vaultspan-origin-key';
/** The key of the HMAC that represents encryption contexts in the audit log. */
export const AUDIT_KEY_SECRET = 'vaultspan-audit-key';
/** Signs the webhook's messages. */
export const WEBHOOK_KEY_SECRET = 'vaultspan-webhook-key';
/** Secret that customers' doorbells are derived from. */
export const BELL_KEY_SECRET = 'vaultspan-bell-key';
/** Key of the HMAC in onboarding links and in what the sign-in page sends back. */
export const LINK_KEY_SECRET = 'vaultspan-link-key';
const KEY_BYTES = 32;
const MAX_VERSIONS = 32;
const REREAD_COOLDOWN_MS = 10_000;
/** Rereading shows a disabled key before a restart needs it. */
const BACKGROUND_REREAD_MS = 10 * 60_000;

/** Returns a new key as its secret's value. */
export const newSecretKey = (): string => systemRandom(KEY_BYTES).toString('base64url');

export interface HomeKeysOptions {
  /** Name of the secret. */
  readonly name: string;
  readonly vault: Pick<HomeVault, 'versions'>;
  readonly clock: Clock;
  /** Called once when a reread fails, or finds no usable version, until one succeeds. */
  readonly onTrouble: (failure: unknown) => void;
  readonly onRecovery: () => void;
}

/**
 * Symmetric keys that are the versions of one secret of the home vault, newest first: all are
 * accepted, the newest is used for new MACs. A reread that finds none leaves the keys unchanged: a
 * secret that was disabled by mistake must not make good messages undecryptable.
 */
export class HomeKeys implements OriginKeys {
  readonly #options: HomeKeysOptions;
  #keys: readonly KeyObject[] = [];
  #readAt = Number.NEGATIVE_INFINITY;
  #failure: Error | undefined;
  #reading: Promise<void> | undefined;

  constructor(options: HomeKeysOptions) {
    this.#options = options;
  }

  /**
   * Reads the keys.
   * @throws ServiceError when the secret cannot be read, is missing, has no usable version or is
   * not 32 bytes of base64url
   */
  async load(): Promise<void> {
    await this.#read();
  }

  current(): readonly KeyObject[] {
    return this.#keys;
  }

  async reread(): Promise<readonly KeyObject[]> {
    await this.#rereadIfOlder(REREAD_COOLDOWN_MS);
    if (this.#failure !== undefined) throw this.#failure;
    return this.#keys;
  }

  /**
   * Returns the problem of the secret, or undefined; the secret is reread in the background from
   * time to time.
   */
  trouble(): string | undefined {
    void this.#rereadIfOlder(this.#failure === undefined ? BACKGROUND_REREAD_MS : REREAD_COOLDOWN_MS);
    const isRejected = this.#failure instanceof ServiceError && this.#failure.code === 'home-credential-rejected';
    return isRejected ? `no version of ${this.#options.name} is usable` : undefined;
  }

  async #rereadIfOlder(ageMs: number): Promise<void> {
    if (this.#reading) return this.#reading;
    if (this.#options.clock.monotonicMs() - this.#readAt < ageMs) return;
    this.#reading = this.#read().then(
      () => this.#succeeded(),
      (error: unknown) => this.#failed(error),
    );
    await this.#reading;
    this.#reading = undefined;
  }

  #succeeded(): void {
    if (this.#failure !== undefined) this.#options.onRecovery();
    this.#failure = undefined;
  }

  #failed(error: unknown): void {
    const failure = Error.isError(error) ? error : new Error('the home vault was not read');
    if (this.#failure === undefined) this.#options.onTrouble(failure);
    this.#failure = failure;
  }

  async #read(): Promise<void> {
    const { name, vault, clock } = this.#options;
    this.#readAt = clock.monotonicMs();
    const { usable, unusable } = await vault.versions(name, MAX_VERSIONS);
    if (usable.length === 0) throw unusable.length === 0 ? missing(name) : disabled(name);
    this.#keys = usable.map(({ value }) => parseKey(name, value));
  }
}

const missing = (name: string): ServiceError =>
  new ServiceError('home-credential-rejected', `The home vault has no secret ${name}`, {
    reason: 'home-key-missing',
    retryAfter: 10,
    fix: { owner: 'vendor', action: 'Create it once for the whole deployment', command: 'vaultspan init' },
  });

const disabled = (name: string): ServiceError =>
  new ServiceError('home-credential-rejected', `Every version of ${name} in the home vault is disabled or expired`, {
    reason: 'home-key-disabled',
    retryAfter: 10,
    fix: {
      owner: 'vendor',
      action: `Enable the versions of ${name} and remove their expiry: without them their ciphertexts cannot be decrypted`,
    },
  });

/** Returns the key in a secret's value; undefined if it is not 32 bytes of base64url. */
export function parseSecretKey(value: string): KeyObject | undefined {
  const bytes = decodeBase64Url(value);
  return bytes?.length === KEY_BYTES ? createSecretKey(bytes) : undefined;
}

function parseKey(name: string, value: string): KeyObject {
  const key = parseSecretKey(value);
  if (key) return key;
  throw new ServiceError('home-credential-rejected', `A version of ${name} is not 32 bytes of base64url`, {
    reason: 'home-key-malformed',
    fix: { owner: 'vendor', action: 'Disable that version of the secret' },
  });
}
