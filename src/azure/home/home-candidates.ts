import { ServiceError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import type { HomeVault, SecretVersion, UnusableVersion } from './home-vault.ts';

/** One version of the app's credential, ready for use. */
export interface Candidate<T> {
  readonly version: string;
  /** From the vault's attribute, in milliseconds since 1970. */
  readonly expires: number | undefined;
  readonly value: T;
}

export interface CandidateOptions<T> {
  /**
   * Name of the secret, or of the certificate, whose value the vault keeps as a secret of the same
   * name.
   */
  readonly name: string;
  readonly vault: Pick<HomeVault, 'versions'>;
  readonly clock: Clock;
  /**
   * Returns the value.
   * @throws ServiceError for an unusable version, which is then left out
   */
  readonly parse: (version: SecretVersion) => T;
  readonly isRejected: (error: unknown) => error is Error;
  readonly missing: () => ServiceError;
  /** Called when another version than before is in use. */
  readonly onRotation: (version: string) => void;
  readonly onUnusable?: ((version: string, problem: ServiceError) => void) | undefined;
}

export interface CandidateList<T> {
  readonly candidates: readonly Candidate<T>[];
  readonly unusable: readonly Omit<UnusableVersion, 'created'>[];
}

const CANDIDATES = 2;
const FRUITLESS_COOLDOWN_MS = 10_000;
const FAILURE_COOLDOWN_MS = 1_000;

/**
 * The two newest versions of the app's credential in the home vault. With two of them a rotation
 * may store the new one before or after Entra knows it. When Entra rejects one, the other is tried,
 * then the vault is read again. No request fails because of a rotation.
 */
export class Candidates<T> {
  readonly #options: CandidateOptions<T>;
  #candidates: readonly Candidate<T>[] = [];
  #unusable: readonly Omit<UnusableVersion, 'created'>[] = [];
  #isMissing: boolean = false;
  #problem: ServiceError | undefined;
  /** The version that Entra last accepted is tried first. */
  #preferred: string | undefined;
  #quietUntil = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;

  constructor(options: CandidateOptions<T>) {
    this.#options = options;
  }

  /**
   * Reads the versions now.
   * @throws ServiceError
   */
  async load(): Promise<void> {
    await this.#reread();
    if (this.#candidates.length === 0) throw this.#nothing();
  }

  /** Returns the candidates and the unusable versions, newest first. */
  async list(): Promise<CandidateList<T>> {
    if (this.#candidates.length === 0) await this.#reread();
    return { candidates: this.#candidates, unusable: this.#unusable };
  }

  /**
   * Returns the problem, or undefined: the vault has no usable version any more, and cached ones
   * still serve.
   */
  trouble(): string | undefined {
    return this.#isMissing ? `no version of ${this.#options.name} is usable` : undefined;
  }

  /**
   * Tries one version after the other, while they are rejected.
   * @throws the error of the last attempt
   */
  async use<R>(attempt: (candidate: Candidate<T>) => Promise<R>): Promise<R> {
    if (this.#candidates.length === 0) await this.load();
    const tried = new Set<string>();
    let rejection: Error | undefined;
    for (;;) {
      const candidate = this.#nextAfter(tried) ?? (await this.#nextAfterReread(tried));
      if (!candidate) throw rejection ?? this.#nothing();
      tried.add(candidate.version);
      try {
        const outcome = await attempt(candidate);
        // A late success must not restore a version that others have abandoned since.
        if (rejection || this.#preferred === undefined) this.#prefer(candidate.version);
        return outcome;
      } catch (error) {
        if (!this.#options.isRejected(error)) throw error;
        rejection = error;
      }
    }
  }

  #nextAfter(tried: ReadonlySet<string>): Candidate<T> | undefined {
    const untried = this.#candidates.filter(({ version }) => !tried.has(version));
    return untried.find(({ version }) => version === this.#preferred) ?? untried[0];
  }

  async #nextAfterReread(tried: ReadonlySet<string>): Promise<Candidate<T> | undefined> {
    await this.#rereadUnlessFruitless();
    return this.#nextAfter(tried);
  }

  /**
   * Rereads the vault. A reread without a change is not repeated for a while: otherwise rejections
   * would make us flood the vault with calls.
   */
  async #rereadUnlessFruitless(): Promise<void> {
    if (this.#reading) return this.#reading;
    const now = this.#options.clock.monotonicMs();
    if (now < this.#quietUntil) return;
    const known = new Set(this.#candidates.map(({ version }) => version));
    this.#quietUntil = now + FAILURE_COOLDOWN_MS;
    await this.#reread();
    const isFruitless = this.#candidates.every(({ version }) => known.has(version));
    this.#quietUntil = isFruitless ? now + FRUITLESS_COOLDOWN_MS : Number.NEGATIVE_INFINITY;
  }

  #reread(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    const { vault, name } = this.#options;
    const { usable, unusable } = await vault.versions(name, CANDIDATES);
    const known = new Map(this.#candidates.map((candidate) => [candidate.version, candidate]));
    this.#problem = undefined;
    const candidates = usable.flatMap((found) => {
      const { version, expires } = found;
      const parsed = known.get(version) ?? this.#parse(found);
      return parsed ? [{ version, expires, value: parsed.value }] : [];
    });
    const parsed = new Set(candidates.map(({ version }) => version));
    const malformed = usable.filter(({ version }) => !parsed.has(version));
    this.#unusable = [...malformed.map(({ version }) => ({ version, reason: 'not a usable credential' })), ...unusable];
    // A version that Entra accepted may still be accepted: Entra does not know that the vault
    // disabled the secret.
    this.#isMissing = candidates.length === 0 && this.#candidates.length > 0;
    if (!this.#isMissing) this.#candidates = candidates;
  }

  #parse(found: SecretVersion): Pick<Candidate<T>, 'value'> | undefined {
    try {
      return { value: this.#options.parse(found) };
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      this.#problem ??= error;
      this.#options.onUnusable?.(found.version, error);
      return undefined;
    }
  }

  #prefer(version: string): void {
    if (this.#preferred === version) return;
    this.#preferred = version;
    this.#options.onRotation(version);
  }

  #nothing(): ServiceError {
    return this.#problem ?? this.#options.missing();
  }
}
