import { getFips, randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { createApp } from '../app.ts';
import type { DeferredRecords } from '../audit/deferred-records.ts';
import { keyedAccess } from '../audit/keyed-access.ts';
import { meteredSink } from '../audit/metered-sink.ts';
import type { RefusalCounter } from '../audit/refusals.ts';
import type { CallCounts } from '../azure/call-counts.ts';
import { CallerRates } from '../callers/caller-rates.ts';
import { createTokenVerifier } from '../callers/verify-token.ts';
import type { Config } from '../config/resolved.ts';
import { Admission } from '../http/admission/admission.ts';
import { Slices } from '../http/admission/slices.ts';
import type { Deadlines } from '../http/server/deadlines.ts';
import type { ServedCertificate } from '../http/server/served-certificate.ts';
import { answerUnroutable, listen, type RunningServer } from '../http/server/server.ts';
import type { Clock } from '../lib/clock.ts';
import { parseInput } from '../lib/parse-input.ts';
import { systemRandom } from '../lib/random.ts';
import type { LinkMaker } from '../operations/onboarding/links.ts';
import { sharedCounts } from '../operations/overview/shared-counts.ts';
import type { FailureLog } from '../telemetry/failure-log.ts';
import type { BellStore } from '../tenants/bells.ts';
import type { TenantQuotas } from '../tenants/quotas.ts';
import { tenantSchema } from '../tenants/record-schema.ts';
import type { Audit } from './audit.ts';
import type { Azure } from './azure.ts';
import { doorbellsAt } from './bells.ts';
import type { Branches } from './branches.ts';
import type { Drills } from './drills.ts';
import { figuresOf } from './figures.ts';
import type { Keys } from './keys.ts';
import type { Leases } from './leases.ts';
import type { Receipts, ReportSigner } from './receipts.ts';
import { addressMistake, namingSettings } from './setting-mistakes.ts';
import type { OtlpLogs, Siem } from './siem.ts';
import type { Store } from './store.ts';
import type { Telemetry } from './telemetry.ts';
import type { Usage } from './usage.ts';

/** The parts that requests need. */
export interface ListenerParts {
  readonly config: Config;
  /** Failures of requests. */
  readonly failures: FailureLog;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly certificate: ServedCertificate | undefined;
  readonly azure: Azure;
  readonly store: Store;
  readonly audit: Audit;
  /** Absent if they are off. */
  readonly receipts: Receipts | undefined;
  readonly siem: Siem | undefined;
  readonly otlpLogs: OtlpLogs | undefined;
  readonly usage: Usage | undefined;
  readonly quotas: TenantQuotas;
  readonly refusals: RefusalCounter;
  readonly laterRecords: DeferredRecords;
  readonly branches: Pick<Branches, 'degraded' | 'parts'>;
  readonly keys: Keys;
  readonly leases: Pick<Leases, 'leaseCounts'>;
  readonly bells: BellStore;
  readonly drills: Pick<Drills, 'store'>;
  readonly signReport: ReportSigner | undefined;
  readonly telemetry: Telemetry;
  readonly calls: CallCounts;
}

/** Returns the build's folder of a page, both for sources and for compiled ones. */
const builtPage = (name: string): string => fileURLToPath(new URL(`../../dist/${name}`, import.meta.url));

export interface Listener {
  readonly server: RunningServer;
  readonly admission: Admission;
}

/** Returns the listener of the application. Rejects with the error of listening. */
export async function openListener(parts: ListenerParts): Promise<Listener> {
  const slices = new Slices();
  const admission = openAdmission(parts, slices);
  const create = (isDraining: () => boolean) => {
    const app = openApp(parts, admission, slices, isDraining);
    // Express itself would answer an unparsable path with a page of its own.
    return admission.guard((req, res) => app.handle(req, res, () => void answerUnroutable(req, res)));
  };
  const { http } = parts.config;
  const options = { ...listenOptions(parts), onConnection: () => slices.connectionAccepted() };
  const server = await namingSettings(() => listen(create, options), addressMistake('http', http));
  return { server, admission };
}

function openAdmission(
  { config: { http }, clock, refusals, telemetry, keys }: ListenerParts,
  slices: Slices,
): Admission {
  return new Admission({
    ...http,
    slices,
    callerRates: http.callerRates && new CallerRates({ ...http.callerRates, clock }),
    isWarm: (tenantId) => keys.dataKeys.isWarm(tenantId),
    countRefusal: (event) => refusals.count(event),
    onAnswered: telemetry.onAnswered,
  });
}

function openApp(parts: ListenerParts, admission: Admission, slices: Slices, isDraining: () => boolean) {
  const { config, failures, clock, deadlines, certificate, azure, store } = parts;
  const { audit, receipts, siem, refusals, laterRecords, branches, keys, leases, bells, drills, telemetry } = parts;
  const tenantRecord = tenantSchema(config.vaultHosts);
  const startedAtMs = clock.wallMs();
  return createApp({
    ...store,
    ...keys,
    bells,
    drills: drills.store,
    signReport: parts.signReport,
    revocation: config.revocation,
    leaseCounts: leases.leaseCounts,
    ...telemetry,
    indexKeys: keys.dataKeys,
    isFips: getFips() === 1,
    vault: azure.keys,
    contextDigest: azure.contextDigest,
    openProbe: azure.openProbe,
    directory: azure.directory,
    console: config.console && { ...config.console, directory: builtPage('console') },
    docsDirectory: builtPage('docs'),
    countAll: sharedCounts({ ...store, clock }),
    figures: () => figuresOf({ startedAtMs, calls: parts.calls, azure, keys, admission }),
    audit: meteredSink(
      config.audit.access === 'keyed' ? keyedAccess(audit.sink, azure.accessDigest) : audit.sink,
      parts.quotas,
    ),
    auditRecords: audit.records,
    log: receipts?.reader,
    siemCursorOf: siem?.find,
    usage: parts.usage,
    quotas: parts.quotas,
    auditDegraded: () => [...audit.degraded(), ...(receipts?.degraded() ?? [])],
    degradedHome: azure.degradedHome,
    branchesDegraded: branches.degraded,
    certificate,
    admission,
    slices,
    clock,
    draw: systemRandom,
    isDraining,
    appId: config.home.appId,
    onboarding: linkMakerOf(config, azure),
    doorbellOf:
      config.onboarding.url === undefined || !azure.bellKeys
        ? undefined
        : doorbellsAt(config.onboarding.url, azure.bellKeys, bells),
    vendor: config.onboarding,
    authorityHost: config.emulator?.signInUrl ?? config.cloud.authorityHost,
    branchKeys: store.keyring.keys,
    maxPlaintextBytes: config.http.maxPlaintextBytes,
    maxBufferedBytes: config.http.maxBufferedBytes,
    bodyTimeoutMs: deadlines.bodyMs,
    verifyToken: createTokenVerifier(config.callers, clock, config.console),
    parseTenant: (record) => parseInput(tenantRecord, record, ''),
    obstacles: config.obstacles,
    countRefusal: (event) => refusals.count(event),
    recordLater: (event) => laterRecords.add(event),
    onFailure: ({ requestId, operation }, error) => failures.add({ requestId, operation }, error),
  });
}

/** Returns the maker of links; undefined without onboarding pages. */
function linkMakerOf({ onboarding: { url } }: Config, { linkKeys }: Pick<Azure, 'linkKeys'>): LinkMaker | undefined {
  return url === undefined || !linkKeys ? undefined : { url, keys: linkKeys };
}

function listenOptions({ config, certificate, deadlines, refusals }: ListenerParts) {
  const refused = {
    operation: 'none',
    outcome: 'refused',
    code: 'unauthenticated',
    reason: 'client-certificate',
  } as const;
  return {
    ...config.http,
    certificate,
    deadlines,
    onRefusedClient: () => refusals.count({ ...refused, requestId: randomUUID() }),
  };
}
