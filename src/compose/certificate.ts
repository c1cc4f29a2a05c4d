import type { Config } from '../config/resolved.ts';
import type { Certificate } from '../http/server/certificate-files.ts';
import { openServedCertificate, type ServedCertificate } from '../http/server/served-certificate.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../telemetry/logger.ts';

/**
 * Returns the listener's TLS certificate; undefined for plain HTTP.
 * @throws CertificateError
 */
export async function openCertificate(
  { http }: Pick<Config, 'http'>,
  logger: Logger,
  clock: Clock,
): Promise<ServedCertificate | undefined> {
  if (!http.certificate) return undefined;
  const about = ({ subject, validFrom, validTo }: Certificate) => ({ subject, validFrom, validTo });
  return openServedCertificate({
    files: http.certificate,
    wallMs: () => clock.wallMs(),
    onReload: (certificate) => logger.info({ certificate: about(certificate) }, 'certificate reloaded'),
    onBrokenEdit: (error) =>
      logger.error({ problem: error.message }, 'certificate not reloaded: the last good one stays in use'),
    onDates: (certificate) =>
      logger.error({ certificate: about(certificate) }, 'the certificate is not valid now, or expires within 14 days'),
  });
}
