import type { Registry } from 'prom-client';
import { askedGauge, readCounter, readGauge } from './read-metrics.ts';

/** The deliveries to customers' SIEMs, as metrics show them. */
interface WatchedSiem {
  counts(): Readonly<Record<'delivered' | 'batches' | 'failures' | 'skipped', number>>;
  lag(): Promise<{ readonly seconds: number; readonly failing: number }>;
}

/** The deliveries to the vendor's collector, as metrics show them. */
interface WatchedOtlpLogs {
  counts(): Readonly<Record<'delivered' | 'failures' | 'skipped' | 'rejected', number>>;
  lag(): Promise<{ readonly seconds: number }>;
}

/** The transparency logs, as metrics show them. */
interface WatchedReceipts {
  counts(): Readonly<Record<'entries' | 'lost' | 'checkpoints', number>>;
  backlog(): Promise<Readonly<Record<'records' | 'overdueSeconds', number>>>;
  isRefused(): boolean;
}

/** Audit records and where they go, as metrics show them. */
export interface WatchedRecords {
  readonly audit: {
    counts(): Readonly<Record<'records' | 'groups' | 'refused' | 'waiting' | 'lagMs', number>>;
  };
  /** Absent when audit records stay in their files. */
  readonly spool: { backlog(): Readonly<Record<'bytes' | 'ageSeconds', number>> } | undefined;
  /** Absent without receipts. */
  readonly receipts: WatchedReceipts | undefined;
  /** Absent without deliveries to SIEMs. */
  readonly siem: WatchedSiem | undefined;
  /** Absent without deliveries to the vendor's collector. */
  readonly otlpLogs: WatchedOtlpLogs | undefined;
}

const LAG_MAX_AGE_MS = 15_000;

/** Queries of the whole deployment's backlog run at most this often. */
const BACKLOG_MAX_AGE_MS = 10_000;

export function watchRecords(registry: Registry, parts: WatchedRecords): void {
  watchAudit(registry, parts);
  if (parts.receipts) watchReceipts(registry, parts.receipts);
  if (parts.siem) watchSiem(registry, parts.siem);
  if (parts.otlpLogs) watchOtlpLogs(registry, parts.otlpLogs);
}

function watchAudit(registry: Registry, { audit, spool }: WatchedRecords): void {
  const records = { name: 'vaultspan_audit_records_total', help: 'Audit records written' };
  readCounter(registry, records, () => audit.counts().records);
  const groups = { name: 'vaultspan_audit_groups_total', help: 'Writes of audit records; one write has many records' };
  readCounter(registry, groups, () => audit.counts().groups);
  const failures = { name: 'vaultspan_audit_failures_total', help: 'Audit records that could not be written' };
  readCounter(registry, failures, () => audit.counts().refused);
  const waiting = { name: 'vaultspan_audit_records_waiting', help: 'Audit records waiting to be written' };
  readGauge(registry, waiting, () => audit.counts().waiting);
  const lag = {
    name: 'vaultspan_audit_lag_seconds',
    help: 'Age of the oldest audit record not yet written',
    aggregator: 'max' as const,
  };
  readGauge(registry, lag, () => audit.counts().lagMs / 1_000);
  const bytes = {
    name: 'vaultspan_audit_spool_bytes',
    help: 'Audit records that wait in files for the database; absent without one',
  };
  readGauge(registry, bytes, () => spool?.backlog().bytes);
  const age = {
    name: 'vaultspan_audit_spool_age_seconds',
    help: 'Age of the oldest audit record not yet in the database; absent without one',
    aggregator: 'max' as const,
  };
  readGauge(registry, age, () => spool?.backlog().ageSeconds);
}

function watchReceipts(registry: Registry, receipts: WatchedReceipts): void {
  const entries = { name: 'vaultspan_log_entries_total', help: 'Entries that this process added to transparency logs' };
  readCounter(registry, entries, () => receipts.counts().entries);
  const checkpoints = { name: 'vaultspan_log_checkpoints_total', help: 'Checkpoints that this process signed' };
  readCounter(registry, checkpoints, () => receipts.counts().checkpoints);
  const lost = {
    name: 'vaultspan_log_gaps_total',
    help: 'Gaps of audit chains that never filled, which the transparency logs name as lost',
  };
  readCounter(registry, lost, () => receipts.counts().lost);
  const refused = {
    name: 'vaultspan_log_refused',
    help: '1 while this process signs no checkpoint because the home vault does not know the database',
    aggregator: 'max' as const,
  };
  readGauge(registry, refused, () => (receipts.isRefused() ? 1 : 0));
  const waiting = {
    name: 'vaultspan_log_records_waiting',
    help: 'Stored audit records that are in no transparency log yet, in the whole deployment',
    aggregator: 'max' as const,
  };
  askedGauge(registry, waiting, BACKLOG_MAX_AGE_MS, async () => (await receipts.backlog()).records);
  const overdue = {
    name: 'vaultspan_log_checkpoint_overdue_seconds',
    help: 'Time for which the oldest checkpoint is overdue, in the whole deployment',
    aggregator: 'max' as const,
  };
  askedGauge(registry, overdue, BACKLOG_MAX_AGE_MS, async () => (await receipts.backlog()).overdueSeconds);
}

function watchSiem(registry: Registry, siem: WatchedSiem): void {
  const delivered = {
    name: 'vaultspan_siem_records_total',
    help: "Audit records that customers' SIEMs accepted from this process",
  };
  readCounter(registry, delivered, () => siem.counts().delivered);
  const failures = { name: 'vaultspan_siem_failures_total', help: "Deliveries that customers' SIEMs did not accept" };
  readCounter(registry, failures, () => siem.counts().failures);
  const skipped = {
    name: 'vaultspan_siem_records_skipped_total',
    help: 'Audit records left out because a SIEM refuses their size',
  };
  readCounter(registry, skipped, () => siem.counts().skipped);
  const lag = {
    name: 'vaultspan_siem_lag_seconds',
    help: "Age of the oldest audit record that waits for its customer's SIEM, in the whole deployment",
    aggregator: 'max' as const,
  };
  askedGauge(registry, lag, LAG_MAX_AGE_MS, async () => (await siem.lag()).seconds);
  const failing = {
    name: 'vaultspan_siem_tenants_failing',
    help: 'Tenants whose SIEM did not accept the last delivery, in the whole deployment',
    aggregator: 'max' as const,
  };
  askedGauge(registry, failing, LAG_MAX_AGE_MS, async () => (await siem.lag()).failing);
}

function watchOtlpLogs(registry: Registry, otlpLogs: WatchedOtlpLogs): void {
  const delivered = {
    name: 'vaultspan_otlp_log_records_total',
    help: "Audit records that the vendor's collector accepted from this process",
  };
  readCounter(registry, delivered, () => otlpLogs.counts().delivered);
  const failures = {
    name: 'vaultspan_otlp_log_failures_total',
    help: "Deliveries that the vendor's collector did not accept",
  };
  readCounter(registry, failures, () => otlpLogs.counts().failures);
  const refused = {
    name: 'vaultspan_otlp_log_records_refused_total',
    help: 'Audit records that the collector refused by themselves, or as too large; they were left out',
  };
  readCounter(registry, refused, () => otlpLogs.counts().rejected + otlpLogs.counts().skipped);
  const lag = {
    name: 'vaultspan_otlp_log_lag_seconds',
    help: "Age of the oldest audit record that waits for the vendor's collector, in the whole deployment",
    aggregator: 'max' as const,
  };
  askedGauge(registry, lag, LAG_MAX_AGE_MS, async () => (await otlpLogs.lag()).seconds);
}
