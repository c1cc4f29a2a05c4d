import { createSecretKey, type KeyObject } from 'node:crypto';
import { ServiceError } from '../../errors.ts';
import { decodeBase64Url } from '../../format/base64.ts';
import type { OriginKeys } from '../../keyring/data-keys.ts';
import type { Clock } from '../../lib/clock.ts';
import { systemRandom } from '../../lib/random.ts';
import type { HomeVault } from './home-vault.ts';

/** Ko of `mac`, whose holders alone make data keys that open. */
export const ORIGIN_KEY_SECRET = 'vaultspan-origin-key';
/** Keys the HMAC by which encryption contexts stand in the audit log. */
export const AUDIT_KEY_SECRET = 'vaultspan-audit-key';
/** Signs what the webhook is told. */
export const WEBHOOK_KEY_SECRET = 'vaultspan-webhook-key';
const KEY_BYTES = 32;
const MAX_VERSIONS = 32;
const REREAD_COOLDOWN_MS = 10_000;

/** A fresh key as its secret's value. */
export const newSecretKey = (): string => systemRandom(KEY_BYTES).toString('base64url');

/** Symmetric keys that are versions of one secret of the home vault, newest first: all are accepted, the newest writes. */
export class HomeKeys implements OriginKeys {
  readonly #name: string;
  readonly #vault: Pick<HomeVault, 'usableVersions'>;
  readonly #clock: Clock;
  readonly #onFailure: (error: unknown) => void;
  #keys: readonly KeyObject[] = [];
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<readonly KeyObject[]> | undefined;

  constructor(
    name: string,
    vault: Pick<HomeVault, 'usableVersions'>,
    clock: Clock,
    onFailure: (error: unknown) => void,
  ) {
    this.#name = name;
    this.#vault = vault;
    this.#clock = clock;
    this.#onFailure = onFailure;
  }

  /** @throws ServiceError when the secret can't be read, is missing or is not 32 bytes of base64url */
  async load(): Promise<void> {
    await this.#read();
    if (this.#keys.length > 0) return;
    throw new ServiceError('home-credential-rejected', `The home vault has no secret ${this.#name}`, {
      reason: 'home-key-missing',
      fix: { owner: 'vendor', action: 'Create it once for the whole deployment', command: 'vaultspan init' },
    });
  }

  current(): readonly KeyObject[] {
    return this.#keys;
  }

  async reread(): Promise<readonly KeyObject[]> {
    if (this.#clock.monotonicMs() - this.#readAt < REREAD_COOLDOWN_MS && !this.#reading) return this.#keys;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    try {
      return await this.#reading;
    } catch (error) {
      this.#onFailure(error);
      return this.#keys;
    }
  }

  async #read(): Promise<readonly KeyObject[]> {
    this.#readAt = this.#clock.monotonicMs();
    const versions = await this.#vault.usableVersions(this.#name, MAX_VERSIONS);
    this.#keys = versions.map(({ value }) => parseKey(this.#name, value));
    return this.#keys;
  }
}

/** Returns the key of a secret's value; undefined where it is not 32 bytes of base64url. */
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
