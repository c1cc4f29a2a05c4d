import { type Certificate, type CertificateFiles, readCertificate, stampOf } from './certificate-files.ts';

const POLL_MS = 1_000;
const DAY_MS = 86_400_000;
const SOON_MS = 14 * DAY_MS;

export interface ServedCertificateOptions {
  readonly files: CertificateFiles;
  /** How often the files are looked at, in milliseconds. */
  readonly pollMs?: number;
  readonly wallMs: () => number;
  readonly onReload: (certificate: Certificate) => void;
  /** The new files can't serve; the last good ones go on. */
  readonly onBrokenEdit: (error: Error) => void;
  /** At start, after a reload and once a day: it is not valid yet, ends within 14 days, or has ended. */
  readonly onDates: (certificate: Certificate) => void;
}

/**
 * The listener's certificate, reread when its files change. Polled rather than watched, as the list of tenants is: renewals replace
 * files and links. What changed is read once it has stood still for one look, since certificate and key come one after the other.
 *
 * @throws CertificateError
 */
export async function openServedCertificate(options: ServedCertificateOptions): Promise<ServedCertificate> {
  const stamp = await stampOf(options.files).catch(() => ''); // reading says what is wrong
  return new ServedCertificate(options, await readCertificate(options.files), stamp);
}

export class ServedCertificate {
  readonly #options: ServedCertificateOptions;
  readonly #timer: NodeJS.Timeout;
  #certificate: Certificate;
  #stamp: string;
  #seen: string;
  #trouble: string | undefined;
  #toldOfDatesMs = Number.NEGATIVE_INFINITY;
  #polling: Promise<void> | undefined;
  #onChange: (certificate: Certificate) => void = () => undefined;

  constructor(options: ServedCertificateOptions, certificate: Certificate, stamp: string) {
    this.#options = options;
    this.#certificate = certificate;
    this.#stamp = stamp;
    this.#seen = stamp;
    this.#tellDates();
    this.#timer = setInterval(() => this.#poll(), options.pollMs ?? POLL_MS).unref();
  }

  get current(): Certificate {
    return this.#certificate;
  }

  /** The one listener that serves it. */
  onChange(listener: (certificate: Certificate) => void): void {
    this.#onChange = listener;
  }

  /** Why it should be looked at: a broken renewal, or dates that clients refuse. */
  trouble(): string | undefined {
    const { validFrom, validTo } = this.#certificate;
    const nowMs = this.#options.wallMs();
    return this.#trouble ?? (nowMs < validFrom.getTime() || nowMs > validTo.getTime() ? 'not valid now' : undefined);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#polling;
  }

  #poll(): void {
    this.#tellDates();
    this.#polling ??= this.#reloadIfChanged().finally(() => {
      this.#polling = undefined;
    });
  }

  async #reloadIfChanged(): Promise<void> {
    try {
      const stamp = await stampOf(this.#options.files);
      const isSettled = stamp === this.#seen;
      this.#seen = stamp;
      if (stamp === this.#stamp) this.#trouble = undefined; // the good ones are back
      if (stamp === this.#stamp || !isSettled) return;
      const certificate = await readCertificate(this.#options.files);
      this.#onChange(certificate);
      this.#stamp = stamp;
      this.#certificate = certificate;
      this.#trouble = undefined;
      this.#options.onReload(certificate);
      this.#toldOfDatesMs = Number.NEGATIVE_INFINITY;
      this.#tellDates();
    } catch (error) {
      if (!Error.isError(error)) throw error;
      if (this.#trouble === error.message) return; // said already, for this same edit
      this.#trouble = error.message;
      this.#options.onBrokenEdit(error);
    }
  }

  #tellDates(): void {
    const { validFrom, validTo } = this.#certificate;
    const nowMs = this.#options.wallMs();
    if (nowMs >= validFrom.getTime() && nowMs < validTo.getTime() - SOON_MS) return;
    if (nowMs - this.#toldOfDatesMs < DAY_MS) return;
    this.#toldOfDatesMs = nowMs;
    this.#options.onDates(this.#certificate);
  }
}
