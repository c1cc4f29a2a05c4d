import type { Config } from '../config/load-config.ts';
import type { Certificate } from '../http/server/certificate-files.ts';
import { openServedCertificate, type ServedCertificate } from '../http/server/served-certificate.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../telemetry/logger.ts';

/** What the listener serves TLS with; undefined where it speaks plain HTTP. @throws CertificateError */
export async function openCertificate(
  { http }: Config,
  logger: Logger,
  clock: Clock,
): Promise<ServedCertificate | undefined> {
  const { certificateFile, keyFile, clientCaFile } = http;
  if (certificateFile === undefined || keyFile === undefined) return undefined;
  const about = ({ subject, validFrom, validTo }: Certificate) => ({ subject, validFrom, validTo });
  return openServedCertificate({
    files: { certificateFile, keyFile, clientCaFile },
    wallMs: () => clock.wallMs(),
    onReload: (certificate) => logger.info({ certificate: about(certificate) }, 'certificate reread'),
    onBrokenEdit: (error) =>
      logger.error({ problem: error.message }, 'certificate not reread: the last good one goes on'),
    onDates: (certificate) =>
      logger.error({ certificate: about(certificate) }, 'the certificate is not valid now, or ends within 14 days'),
  });
}
