import { randomUUID } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../lib/clock.ts';
import { singleFlight } from '../../lib/single-flight.ts';

/** The private key of a certificate that is registered with the app. It signs here or in the home vault. */
export interface AssertionSigner {
  /** SHA-256 of the certificate's DER, base64url. */
  readonly thumbprint: string;
  /** PS256 (RFC 7518 §3.5). */
  sign(input: Buffer): Promise<Uint8Array>;
}

export interface ClientAssertionsOptions {
  readonly appId: string;
  readonly authorityHost: string;
  readonly signer: AssertionSigner;
  readonly clock: Clock;
}

interface Signed {
  readonly assertion: string;
  /** Milliseconds since 1970. */
  readonly reusableUntil: number;
}

const LIFETIME_SECONDS = 600;
const REUSE_MARGIN_MS = 120_000;
const MAX_ASSERTIONS = 10_000;

/**
 * JWTs that authenticate the app, of the form in
 * learn.microsoft.com/entra/identity-platform/certificate-credentials. One is valid for a single
 * directory, its audience, and for ten minutes. During that time it serves all sign-ins there, as
 * MSAL's own do.
 */
export class ClientAssertions {
  readonly #options: ClientAssertionsOptions;
  readonly #signed = new LRUCache<string, Signed>({ max: MAX_ASSERTIONS });
  readonly #signing = new Map<string, Promise<string>>();

  constructor(options: ClientAssertionsOptions) {
    this.#options = options;
  }

  /**
   * Returns the assertion for a directory.
   * @throws the signer's error
   */
  async for(entraTenantId: string): Promise<string> {
    const known = this.#signed.get(entraTenantId);
    if (known && this.#options.clock.wallMs() < known.reusableUntil) return known.assertion;
    return singleFlight(this.#signing, entraTenantId, () => this.#sign(entraTenantId));
  }

  /**
   * Drops an assertion. Called when Entra finds it outside its validity: a clock has changed since.
   */
  forget(entraTenantId: string): void {
    this.#signed.delete(entraTenantId);
  }

  async #sign(entraTenantId: string): Promise<string> {
    const { appId, authorityHost, signer, clock } = this.#options;
    const nowMs = clock.wallMs();
    const now = Math.floor(nowMs / 1_000);
    const header = { typ: 'JWT', alg: 'PS256', 'x5t#S256': signer.thumbprint };
    const claims = {
      aud: `${authorityHost}/${entraTenantId}/oauth2/v2.0/token`,
      iss: appId,
      sub: appId,
      jti: randomUUID(),
      iat: now,
      nbf: now,
      exp: now + LIFETIME_SECONDS,
    };
    const input = `${base64Url(header)}.${base64Url(claims)}`;
    const signature = Buffer.from(await signer.sign(Buffer.from(input))).toString('base64url');
    const assertion = `${input}.${signature}`;
    const reusableUntil = nowMs + LIFETIME_SECONDS * 1_000 - REUSE_MARGIN_MS;
    this.#signed.set(entraTenantId, { assertion, reusableUntil });
    return assertion;
  }
}

const base64Url = (member: object): string => Buffer.from(JSON.stringify(member)).toString('base64url');
