import { Gauge, type Registry } from 'prom-client';
import { askedGauge, readCounter, readCounters, readGauge } from './read-metrics.ts';

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

const LAG_MAX_AGE_MS = 15_000;

/**
 * Parts with counters or values of their own. They are read at a scrape, so that counting costs
 * nearly nothing.
 */
export interface WatchedParts {
  readonly requestsInFlight: () => number;
  /** By reason. */
  readonly requestsShed: Readonly<Record<string, number>>;
  readonly vaultGates: {
    /** By reason. */
    readonly rationed: Readonly<Record<string, number>>;
    countOpen(): number;
  };
  readonly dataKeys: {
    readonly counts: Readonly<
      Record<'sealingHits' | 'sealingWaits' | 'minted' | 'openingHits' | 'unwrapped' | 'proofs', number>
    > & { readonly refusals: ReadonlyMap<string, number> };
    held(): Readonly<Record<'tenants' | 'sealing' | 'opening' | 'branches' | 'indexes' | 'uncopied', number>>;
  };
  readonly keyUses: Readonly<Record<'sealed' | 'opened', number>>;
  readonly leaseCounts: Readonly<
    Record<
      'issued' | 'finished' | 'overdue' | 'leavesOpened' | 'leavesOverdue' | 'sealed' | 'opened' | 'unreported',
      number
    >
  >;
  readonly branches: {
    /** By reason. */
    readonly notReady: Readonly<Record<string, number>>;
    readonly events: Readonly<Record<string, number>>;
    readonly disagreements: number;
    /** By call. */
    readonly indexValues: Readonly<Record<string, number>>;
    /** By reason. */
    readonly indexRefusals: Readonly<Record<string, number>>;
  };
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
  /** Absent when the service itself does not terminate TLS. */
  readonly certificate: { readonly current: { readonly validTo: Date } } | undefined;
  readonly tenants: {
    staleMs(): number;
    onChange(listener: () => void): void;
  };
  /** Absent without a database. */
  readonly countOverdue: (() => Promise<number>) | undefined;
  /**
   * Seconds since 1970 at which the app's credential expires; undefined when it never does, or the
   * time is unknown.
   */
  readonly homeCredentialExpiry: () => Promise<number | undefined>;
}

/** The transparency logs, as metrics show them. */
interface WatchedReceipts {
  counts(): Readonly<Record<'entries' | 'lost' | 'checkpoints', number>>;
  backlog(): Promise<Readonly<Record<'records' | 'overdueSeconds', number>>>;
  isRefused(): boolean;
}

/** Queries of the whole deployment's backlog run at most this often. */
const BACKLOG_MAX_AGE_MS = 10_000;
const OVERDUE_MAX_AGE_MS = 10_000;
/** A new version of the credential appears in the metrics within this time. */
const EXPIRY_MAX_AGE_MS = 600_000;

export function watchParts(registry: Registry, parts: WatchedParts): void {
  watchDataKeys(registry, parts);
  watchLeases(registry, parts);
  watchBranches(registry, parts);
  watchIndexes(registry, parts);
  watchLimits(registry, parts);
  watchAudit(registry, parts);
  if (parts.receipts) watchReceipts(registry, parts.receipts);
  if (parts.siem) watchSiem(registry, parts.siem);
  if (parts.otlpLogs) watchOtlpLogs(registry, parts.otlpLogs);
  watchTenants(registry, parts);
  const inFlight = { name: 'vaultspan_requests_in_flight', help: 'Requests in progress' };
  readGauge(registry, inFlight, parts.requestsInFlight);
  const expiry = {
    name: 'vaultspan_home_credential_expiry_timestamp_seconds',
    help: "Expiry of the app's credential; absent if it never expires",
    aggregator: 'min' as const,
  };
  askedGauge(registry, expiry, EXPIRY_MAX_AGE_MS, parts.homeCredentialExpiry);
  const certificate = {
    name: 'vaultspan_certificate_expiry_timestamp_seconds',
    help: "Expiry of the listener's certificate; absent without TLS",
    aggregator: 'min' as const,
  };
  readGauge(registry, certificate, () => parts.certificate && parts.certificate.current.validTo.getTime() / 1_000);
}

function watchLimits(registry: Registry, { requestsShed, vaultGates }: WatchedParts): void {
  const shed = { name: 'vaultspan_requests_shed_total', help: 'Requests refused for their number or size, by reason' };
  readCounters(registry, shed, 'reason', () => Object.entries(requestsShed));
  const rationed = { name: 'vaultspan_vault_calls_rationed_total', help: 'Calls to vaults not made, by reason' };
  readCounters(registry, rationed, 'reason', () => Object.entries(vaultGates.rationed));
  const open = {
    name: 'vaultspan_vault_breakers_open',
    help: 'Vaults with an open circuit breaker, each until a trial call succeeds',
  };
  readGauge(registry, open, () => vaultGates.countOpen());
}

function watchDataKeys(registry: Registry, { dataKeys, keyUses }: WatchedParts): void {
  const { counts } = dataKeys;
  const asked = {
    name: 'vaultspan_data_key_requests_total',
    help: 'Requests for data keys, by whether one was in memory',
  };
  readCounters(registry, asked, 'result', () => [
    ['sealing-hit', counts.sealingHits],
    ['sealing-wait', counts.sealingWaits],
    ['opening-hit', counts.openingHits],
    ['opening-unwrap', counts.unwrapped],
  ]);
  const minted = { name: 'vaultspan_data_keys_minted_total', help: 'Data keys minted' };
  readCounter(registry, minted, () => counts.minted);
  const proofs = { name: 'vaultspan_access_proofs_total', help: 'Proofs of access renewed by an unwrap' };
  readCounter(registry, proofs, () => counts.proofs);
  const refusals = { name: 'vaultspan_access_refusals_total', help: 'Definite refusals of access by Azure, by reason' };
  readCounters(registry, refusals, 'reason', () => counts.refusals);
  const uses = { name: 'vaultspan_key_uses_total', help: 'Messages encrypted and decrypted' };
  readCounters(registry, uses, 'use', () => Object.entries(keyUses));
  new Gauge({
    name: 'vaultspan_data_keys_held',
    help: 'Data keys in memory, by use',
    labelNames: ['use'],
    registers: [registry],
    collect() {
      const { sealing, opening } = dataKeys.held();
      this.set({ use: 'sealing' }, sealing);
      this.set({ use: 'opening' }, opening);
    },
  });
  const active = { name: 'vaultspan_tenants_active', help: 'Tenants with keys in memory' };
  readGauge(registry, active, () => dataKeys.held().tenants);
}

function watchLeases(registry: Registry, { leaseCounts }: WatchedParts): void {
  const leases = {
    name: 'vaultspan_leases_total',
    help: 'Leases given out, finished by a final report, and overdue without one',
  };
  readCounters(registry, leases, 'event', () => [
    ['issued', leaseCounts.issued],
    ['finished', leaseCounts.finished],
    ['overdue', leaseCounts.overdue],
  ]);
  const leaves = {
    name: 'vaultspan_lease_leaves_total',
    help: 'Leaves given out to decrypt with, and those that no report named in time',
  };
  readCounters(registry, leaves, 'event', () => [
    ['opened', leaseCounts.leavesOpened],
    ['overdue', leaseCounts.leavesOverdue],
  ]);
  const messages = {
    name: 'vaultspan_lease_messages_total',
    help: 'Messages of leases as reported; unreported: how many overdue leases may have encrypted at most',
  };
  readCounters(registry, messages, 'use', () => [
    ['sealed', leaseCounts.sealed],
    ['opened', leaseCounts.opened],
    ['unreported', leaseCounts.unreported],
  ]);
}

function watchBranches(registry: Registry, { dataKeys, branches }: WatchedParts): void {
  const notReady = {
    name: 'vaultspan_branch_not_ready_total',
    help: 'Messages under a compact key that no branch key encrypted, by reason',
  };
  readCounters(registry, notReady, 'reason', () => Object.entries(branches.notReady));
  const events = {
    name: 'vaultspan_branch_events_total',
    help: 'Branch and index keys made, moved, put back, destroyed',
  };
  readCounters(registry, events, 'event', () => Object.entries(branches.events));
  const disagreements = {
    name: 'vaultspan_branch_disagreements_total',
    help: 'Rows of branch keys read that contradict their JWE: they were altered',
  };
  readCounter(registry, disagreements, () => branches.disagreements);
  const held = { name: 'vaultspan_branch_keys_held', help: 'Branch keys in memory' };
  readGauge(registry, held, () => dataKeys.held().branches);
  const uncopied = {
    name: 'vaultspan_branch_keys_uncopied',
    help: 'Registered keys whose branch key of this period or the next has no copy',
  };
  readGauge(registry, uncopied, () => dataKeys.held().uncopied);
}

function watchIndexes(registry: Registry, { dataKeys, branches }: WatchedParts): void {
  const values = { name: 'vaultspan_index_values_total', help: 'Values of look-ups and deterministic values, by call' };
  readCounters(registry, values, 'use', () => Object.entries(branches.indexValues));
  const refusals = {
    name: 'vaultspan_index_refusals_total',
    help: 'Look-ups and deterministic values without a usable key of their index, by reason',
  };
  readCounters(registry, refusals, 'reason', () => Object.entries(branches.indexRefusals));
  const held = { name: 'vaultspan_index_keys_held', help: 'Index keys in memory' };
  readGauge(registry, held, () => dataKeys.held().indexes);
}

function watchAudit(registry: Registry, { audit, spool }: WatchedParts): void {
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

function watchTenants(registry: Registry, { tenants, countOverdue }: WatchedParts): void {
  let changes = 0;
  let lastChangeAt = 0;
  tenants.onChange(() => {
    changes += 1;
    lastChangeAt = Date.now() / 1_000;
  });
  const told = { name: 'vaultspan_tenant_changes_total', help: 'Changes of tenants received by this process' };
  readCounter(registry, told, () => changes);
  const last = {
    name: 'vaultspan_last_tenant_change_timestamp_seconds',
    help: 'Time of the last change received by this process; 0 before the first',
    aggregator: 'max' as const,
  };
  readGauge(registry, last, () => lastChangeAt);
  const staleness = {
    name: 'vaultspan_registry_staleness_seconds',
    help: 'Time since the tenants in memory were last known to be current',
    aggregator: 'max' as const,
  };
  readGauge(registry, staleness, () => tenants.staleMs() / 1_000);
  if (!countOverdue) return;
  const overdue = {
    name: 'vaultspan_visits_overdue',
    help: 'Tenants whose visit is overdue by 5 minutes, in the whole deployment',
    aggregator: 'max' as const,
  };
  askedGauge(registry, overdue, OVERDUE_MAX_AGE_MS, countOverdue);
}
