import { createPublicKey } from 'node:crypto';
import type { TokenCredential } from '@azure/core-auth';
import { KeyClient, type KeyProperties } from '@azure/keyvault-keys';
import { ServiceError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import type { AzureObserver } from '../call-outcomes.ts';
import { withinDeadline } from '../deadline.ts';
import { readForeignError } from '../foreign-error.ts';
import { vaultClientOptions } from '../sdk-http.ts';
import { signerFailure, VaultSigner } from './home-vault-signer.ts';

export interface ReceiptsKeyOptions {
  readonly vaultUrl: string;
  readonly keyName: string;
  /** The platform's identity. */
  readonly credential: TokenCredential;
  readonly unsafeAllowEmulator: boolean;
  readonly deadlineMs: number;
  readonly clock: Clock;
  readonly observer?: AzureObserver | undefined;
}

interface ReadKey {
  readonly version: string;
  /** DER, SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  /** The tag of the newest version that has one. */
  readonly mark: string | undefined;
}

/** The tag that identifies the database whose checkpoints the key signs. */
const MARK_TAG = 'vaultspan-log';
const CURVE = 'P-256';

/** The key of the home vault that signs checkpoints of transparency logs: EC, P-256. */
export class VaultReceiptsKey {
  readonly #options: ReceiptsKeyOptions;
  readonly #keys: KeyClient;
  readonly #signer: VaultSigner;
  readonly #publicKeys = new Map<string, Uint8Array>();

  constructor(options: ReceiptsKeyOptions) {
    this.#options = options;
    this.#keys = new KeyClient(options.vaultUrl, options.credential, vaultClientOptions(options));
    this.#signer = new VaultSigner({ ...options, isCertificate: false, algorithm: 'ES256' });
  }

  /**
   * Returns the newest usable version, and the mark.
   * @throws ServiceError `home-credential-rejected` when there is none or the vault refuses,
   * `vault-unavailable`
   */
  async read(): Promise<ReadKey> {
    const versions = await this.#versions();
    const nowMs = this.#options.clock.wallMs();
    const newest = versions.find((properties) => isUsable(properties, nowMs));
    const version = newest?.version;
    if (version === undefined) throw this.#unusable();
    const mark = versions.find(({ tags }) => tags?.[MARK_TAG] !== undefined)?.tags?.[MARK_TAG];
    return { version, publicKey: await this.#publicKey(version), mark };
  }

  /**
   * Sets the mark, as a tag of this version.
   * @throws ServiceError
   */
  async mark(version: string, mark: string): Promise<void> {
    const { keyName } = this.#options;
    const tags = (await this.#versions()).find((one) => one.version === version)?.tags;
    await this.#call((abortSignal) =>
      this.#keys.updateKeyProperties(keyName, version, { tags: { ...tags, [MARK_TAG]: mark }, abortSignal }),
    );
  }

  /**
   * Returns the signature of a text: ECDSA with SHA-256, DER.
   * @throws ServiceError
   */
  async sign(version: string, text: string): Promise<Uint8Array> {
    return derOf(await this.signForJws(version, text));
  }

  /**
   * Returns the same signature in the form of JWS (RFC 7518 §3.4).
   * @throws ServiceError
   */
  signForJws(version: string, text: string): Promise<Uint8Array> {
    return this.#signer.sign(version, Buffer.from(text));
  }

  /**
   * Creates the key unless it exists. Returns whether it did not.
   * @throws ServiceError
   */
  async create(): Promise<boolean> {
    const { keyName } = this.#options;
    if ((await this.#versions()).length > 0) return false;
    await this.#call((abortSignal) =>
      this.#keys.createEcKey(keyName, { curve: CURVE, keyOps: ['sign', 'verify'], abortSignal }),
    );
    return true;
  }

  /** Returns the versions, newest first. */
  async #versions(): Promise<KeyProperties[]> {
    return this.#call(async (abortSignal) => {
      const versions: KeyProperties[] = [];
      try {
        for await (const version of this.#keys.listPropertiesOfKeyVersions(this.#options.keyName, { abortSignal })) {
          versions.push(version);
        }
      } catch (error) {
        if (readForeignError(error).status !== 404) throw error;
      }
      return versions.sort((a, b) => timeOf(b.createdOn) - timeOf(a.createdOn));
    });
  }

  async #publicKey(version: string): Promise<Uint8Array> {
    const known = this.#publicKeys.get(version);
    if (known) return known;
    const { key } = await this.#call((abortSignal) =>
      this.#keys.getKey(this.#options.keyName, { version, abortSignal }),
    );
    if (!key?.x || !key.y || key.crv !== CURVE) throw this.#unusable();
    const [x, y] = [key.x, key.y].map((bytes) => Buffer.from(bytes).toString('base64url'));
    const jwk = { kty: 'EC', crv: CURVE, x: x ?? '', y: y ?? '' };
    const publicKey = createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'der' });
    this.#publicKeys.set(version, publicKey);
    return publicKey;
  }

  async #call<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await withinDeadline(this.#options.deadlineMs, call, isWorthRetry);
    } catch (error) {
      throw signerFailure(error, { ...this.#options, isCertificate: false });
    }
  }

  #unusable(): ServiceError {
    const { keyName } = this.#options;
    return new ServiceError('home-credential-rejected', `The home vault has no usable EC key ${keyName} of ${CURVE}`, {
      reason: 'signing-key-unusable',
      retryAfter: 10,
      fix: { owner: 'vendor', action: 'Create it once for the whole deployment', command: 'vaultspan init' },
    });
  }
}

function isWorthRetry(error: unknown): boolean {
  const { status = 500 } = readForeignError(error);
  return status === 401 || status >= 500;
}

const timeOf = (time: Date | undefined): number => time?.getTime() ?? 0;

function isUsable({ enabled, notBefore, expiresOn }: KeyProperties, nowMs: number): boolean {
  return enabled !== false && timeOf(notBefore) <= nowMs && (expiresOn?.getTime() ?? Number.POSITIVE_INFINITY) > nowMs;
}

const INTEGER = 0x02;
const SEQUENCE = 0x30;

/** Returns r and s, which JWS puts side by side, as DER (RFC 3279 §2.2.3). */
function derOf(signature: Uint8Array): Buffer {
  const half = signature.length / 2;
  const parts = Buffer.concat([integer(signature.subarray(0, half)), integer(signature.subarray(half))]);
  return Buffer.concat([Buffer.of(SEQUENCE, parts.length), parts]); // two integers of P-256 need less than 128 bytes
}

function integer(bytes: Uint8Array): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = bytes.subarray(first);
  const padding = (digits[0] ?? 0) >= 0x80 ? [0] : [];
  return Buffer.concat([Buffer.of(INTEGER, digits.length + padding.length, ...padding), digits]);
}
