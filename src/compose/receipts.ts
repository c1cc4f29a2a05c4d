import { randomUUID } from 'node:crypto';
import { Checkpointer } from '../audit/receipts/checkpointer.ts';
import type { LogReader } from '../audit/receipts/log-reader.ts';
import { Sequencer } from '../audit/receipts/sequencer.ts';
import type { AuditSink } from '../audit/sink.ts';
import type { AzureObserver } from '../azure/call-outcomes.ts';
import { VaultReceiptsKey } from '../azure/home/receipts-key.ts';
import type { OnUnwrap } from '../azure/vault/key-vault.ts';
import type { Config } from '../config/resolved.ts';
import type { SqlDatabase } from '../database/open-database.ts';
import { logBacklog } from '../database/tables/log-backlog.ts';
import { checkpointTable } from '../database/tables/log-checkpoints.ts';
import { logReader } from '../database/tables/log-reader.ts';
import { sequencerTable } from '../database/tables/log-sequencer.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Home } from './home.ts';

/** This process's part in the transparency logs. */
export interface Receipts {
  /** Absent if no checkpoints are signed: then records only have numbers, for their deliveries. */
  readonly reader: LogReader | undefined;
  /** Since the start of this process. */
  counts(): Readonly<Record<'entries' | 'lost' | 'checkpoints', number>>;
  backlog(): Promise<{ readonly records: number; readonly overdueSeconds: number }>;
  isRefused(): boolean;
  /** Returns the names of problems, for readiness. */
  degraded(): readonly string[];
  close(): Promise<void>;
}

export interface ReceiptsParts {
  readonly config: Pick<Config, 'receipts' | 'siem' | 'home' | 'vault' | 'unsafeAllowEmulator'>;
  readonly home: Pick<Home, 'platform'>;
  /** The database of the audit records. */
  readonly database: SqlDatabase | undefined;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly observer: AzureObserver | undefined;
}

/**
 * Starts the sequencer, and the signing of checkpoints if receipts are on; undefined if nothing
 * needs the logs.
 */
export function startReceipts(parts: ReceiptsParts): Receipts | undefined {
  const { config, database, logger, clock } = parts;
  const { origin, checkpointMs } = config.receipts;
  if ((origin === undefined && !config.siem.enabled) || !database) return undefined;
  const now = () => clock.wallMs();
  const sequencer = new Sequencer({
    table: sequencerTable(database),
    now,
    checkpointMs,
    onLost: (gap) => logger.error({ ...gap }, 'audit records of a chain are missing; the transparency logs name them'),
    onTrouble: (error) => logger.error({ error }, 'audit records are not added to the transparency logs'),
    onRecovery: () => logger.info('audit records are added to the transparency logs again'),
  });
  const checkpointer = origin === undefined ? undefined : startCheckpointer(parts, database, origin);
  return {
    reader: checkpointer && logReader(database),
    counts: () => ({ ...sequencer.counts(), checkpoints: checkpointer?.signed() ?? 0 }),
    backlog: async () => {
      const { records, overdueSeconds } = await logBacklog(database, now());
      return { records, overdueSeconds: checkpointer ? overdueSeconds : 0 };
    },
    isRefused: () => checkpointer?.state() === 'refused',
    degraded: () => (checkpointer?.state() === undefined ? [] : ['receipts']),
    close: async () => {
      await sequencer.close();
      await checkpointer?.close();
    },
  };
}

function startCheckpointer(
  { config, home, logger, clock, observer }: ReceiptsParts,
  database: SqlDatabase,
  origin: string,
): Checkpointer {
  const { checkpointMs, signaturesPerSecond } = config.receipts;
  return new Checkpointer({
    table: checkpointTable(database),
    key: openReceiptsKey({ config, home, clock, observer }),
    origin,
    now: () => clock.wallMs(),
    checkpointMs,
    signaturesPerSecond,
    onRefused: () =>
      logger.error(
        'no checkpoints are signed: the home vault does not know this state of the database, so it was restored or is another one',
      ),
    onTrouble: (error) => logger.error({ error }, 'checkpoints of the transparency logs are not signed'),
    onRecovery: () => logger.info('checkpoints of the transparency logs are signed again'),
  });
}

/**
 * Returns a function that records each unwrap, if receipts are on. Requests record the unwraps that
 * they rely on; with these records the customer finds every unwrap of its vault's log in its
 * transparency log, those of checks and of renewals in advance included.
 */
export function unwrapRecorder(
  { receipts }: Pick<Config, 'receipts'>,
  sink: () => AuditSink | undefined,
): OnUnwrap | undefined {
  if (receipts.origin === undefined) return undefined;
  return async ({ tenantId, keyId, vaultCall, failure }) => {
    await sink()?.record({
      operation: 'vault-unwrap',
      outcome: failure ? 'refused' : 'succeeded',
      code: failure?.code,
      reason: failure?.reason,
      requestId: randomUUID(),
      tenantId,
      keyId,
      ...vaultCall,
    });
  };
}

/** Returns the key of checkpoints; no call is made before it is needed. */
export const openReceiptsKey = ({
  config,
  home,
  clock = systemClock,
  observer,
}: { readonly config: Omit<ReceiptsParts['config'], 'siem'> } & Pick<ReceiptsParts, 'home'> &
  Partial<Pick<ReceiptsParts, 'clock' | 'observer'>>): VaultReceiptsKey =>
  new VaultReceiptsKey({
    vaultUrl: config.home.vaultUrl,
    keyName: config.receipts.keyName,
    credential: home.platform,
    unsafeAllowEmulator: config.unsafeAllowEmulator,
    deadlineMs: config.vault.deadlineMs,
    clock,
    observer,
  });

/** Returns a text as a JWS, compact and with ES256. */
export type ReportSigner = (payload: string) => Promise<string>;

/**
 * Returns the signer of drills' reports, by the key of checkpoints; undefined if receipts are off. A
 * checkpoint has line feeds and a JWS has none, so neither passes for the other.
 */
export function reportSigner(parts: Parameters<typeof openReceiptsKey>[0]): ReportSigner | undefined {
  if (parts.config.receipts.origin === undefined) return undefined;
  const key = openReceiptsKey(parts);
  return async (payload) => {
    const { version } = await key.read();
    const header = { alg: 'ES256', typ: 'vaultspan-drill+json', kid: version };
    const input = [JSON.stringify(header), payload].map((part) => Buffer.from(part).toString('base64url')).join('.');
    return `${input}.${Buffer.from(await key.signForJws(version, input)).toString('base64url')}`;
  };
}
