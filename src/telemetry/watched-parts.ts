import { Gauge, type Registry } from 'prom-client';
import { askedGauge, readCounter, readCounters, readGauge } from './read-metrics.ts';
import { type WatchedRecords, watchRecords } from './watched-records.ts';

/**
 * Parts with counters or values of their own. They are read at a scrape, so that counting costs
 * nearly nothing.
 */
export interface WatchedParts extends WatchedRecords {
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

const OVERDUE_MAX_AGE_MS = 10_000;
/** A new version of the credential appears in the metrics within this time. */
const EXPIRY_MAX_AGE_MS = 600_000;

export function watchParts(registry: Registry, parts: WatchedParts): void {
  watchDataKeys(registry, parts);
  watchLeases(registry, parts);
  watchBranches(registry, parts);
  watchIndexes(registry, parts);
  watchLimits(registry, parts);
  watchRecords(registry, parts);
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
