import { pollFile } from '../../lib/poll-file.ts';
import { type Certificate, type CertificateFiles, pathsOf, readCertificate } from './certificate-files.ts';

const POLL_MS = 1_000;
const DAY_MS = 86_400_000;
const SOON_MS = 14 * DAY_MS;

export interface ServedCertificateOptions {
  readonly files: CertificateFiles;
  /** Pause between polls of the files, in milliseconds. */
  readonly pollMs?: number;
  readonly wallMs: () => number;
  readonly onReload: (certificate: Certificate) => void;
  /** Called when the new files cannot be used; the last good ones stay in use. */
  readonly onBrokenEdit: (error: Error) => void;
  /**
   * Called at start, after a reload and once a day: the certificate is not valid yet, expires
   * within 14 days, or has expired.
   */
  readonly onDates: (certificate: Certificate) => void;
}

/** The listener's certificate. */
export interface ServedCertificate {
  readonly current: Certificate;
  /** For the one listener that serves it. An error of the listener makes the new files unusable. */
  onChange(listener: (certificate: Certificate) => void): void;
  /** Returns a problem that needs attention: a broken renewal, or dates that clients refuse. */
  trouble(): string | undefined;
  close(): Promise<void>;
}

/**
 * Returns the listener's certificate, read again when its files change. A change is read once the
 * files were the same at two polls, since certificate and key are replaced one after the other.
 * @throws CertificateError
 */
export async function openServedCertificate(options: ServedCertificateOptions): Promise<ServedCertificate> {
  const { files, pollMs = POLL_MS, wallMs, onReload, onBrokenEdit, onDates } = options;
  let serve: (certificate: Certificate) => void = () => undefined;
  const dates = new DateWarnings(wallMs, onDates);
  const polled = await pollFile({
    files: pathsOf(files),
    pollMs,
    waitsForSettled: true,
    load: async () => {
      const certificate = await readCertificate(files);
      serve(certificate);
      return certificate;
    },
    onReload: (certificate) => {
      onReload(certificate);
      dates.tellAgain(certificate);
    },
    onTrouble: onBrokenEdit,
  });
  dates.tellAgain(polled.current());
  const datesTimer = setInterval(() => dates.tell(polled.current()), pollMs).unref();
  return {
    get current() {
      return polled.current();
    },
    onChange: (listener) => {
      serve = listener;
    },
    trouble: () => polled.trouble() ?? (isValidAt(polled.current(), wallMs()) ? undefined : 'not valid now'),
    close: () => {
      clearInterval(datesTimer);
      return polled.close();
    },
  };
}

const isValidAt = ({ validFrom, validTo }: Certificate, nowMs: number): boolean =>
  nowMs >= validFrom.getTime() && nowMs <= validTo.getTime();

/** Warns about a certificate's dates once a day. */
class DateWarnings {
  readonly #wallMs: () => number;
  readonly #onDates: ServedCertificateOptions['onDates'];
  #toldAtMs = Number.NEGATIVE_INFINITY;

  constructor(wallMs: () => number, onDates: ServedCertificateOptions['onDates']) {
    this.#wallMs = wallMs;
    this.#onDates = onDates;
  }

  tellAgain(certificate: Certificate): void {
    this.#toldAtMs = Number.NEGATIVE_INFINITY;
    this.tell(certificate);
  }

  tell(certificate: Certificate): void {
    const nowMs = this.#wallMs();
    const { validFrom, validTo } = certificate;
    if (nowMs >= validFrom.getTime() && nowMs < validTo.getTime() - SOON_MS) return;
    if (nowMs - this.#toldAtMs < DAY_MS) return;
    this.#toldAtMs = nowMs;
    this.#onDates(certificate);
  }
}
