import { type FileSink, openFileSink } from './audit/file-sink.ts';
import { startRetention } from './audit/retention.ts';
import type { Config } from './config.ts';
import type { Logger } from './telemetry/logger.ts';

/** The audit log of this process. */
export interface Audit {
  readonly sink: FileSink;
  /** Ends the chain. */
  close(): Promise<void>;
}

/** Begins a chain, and removes what is past its retention as long as it is open. @throws the system's error */
export async function openAudit({ audit }: Config, logger: Logger): Promise<Audit> {
  const { directory, durability, maxFileBytes, retentionDays } = audit;
  const sink = await openFileSink({ directory, durability, maxFileBytes });
  const retention =
    retentionDays &&
    startRetention({
      directory,
      sink,
      days: retentionDays,
      onRemoved: (files) => logger.info({ files }, 'audit files past their retention were removed'),
      onFailure: (error) => logger.error({ error }, 'old audit files were not removed'),
    });
  return {
    sink,
    close: async () => {
      if (retention) await retention.close();
      await sink.close();
    },
  };
}
