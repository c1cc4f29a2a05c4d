import { SiemDeliverer } from '../audit/siem/deliverer.ts';
import { chainEvent, ocsfEvent } from '../audit/siem/ocsf.ts';
import { otlpLogs } from '../audit/siem/otlp-logs.ts';
import type { SiemCursor, SiemTable } from '../audit/siem/siem-table.ts';
import type { IngestionTarget } from '../azure/siem/logs-ingestion.ts';
import type { Config } from '../config/resolved.ts';
import type { SqlDatabase } from '../database/open-database.ts';
import { siemCursors } from '../database/tables/siem-cursors.ts';
import { type OtlpCursors, otlpCursors } from '../database/usage/otlp-cursors.ts';
import type { Clock } from '../lib/clock.ts';
import { packageVersion } from '../lib/package-version.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Tenant } from '../tenants/record.ts';
import { findTenant, type TenantRegistry } from '../tenants/registry.ts';
import type { Azure } from './azure.ts';
import type { Home } from './home.ts';

/** This process's part in the deliveries to customers' SIEMs. */
export interface Siem {
  counts: SiemDeliverer<IngestionTarget>['counts'];
  lag(): ReturnType<SiemTable['lag']>;
  find(tenantId: string): Promise<SiemCursor | undefined>;
  close(): Promise<void>;
}

export interface SiemParts {
  readonly config: Pick<Config, 'siem'>;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly azure: Pick<Azure, 'ingestion'>;
  readonly tenants: TenantRegistry;
  /** The database of the audit records. */
  readonly database: SqlDatabase | undefined;
}

/** Starts the deliveries; undefined if they are off. */
export async function startSiem(parts: SiemParts): Promise<Siem | undefined> {
  const { config, logger, clock, azure, tenants, database } = parts;
  if (!config.siem.enabled || !database) return undefined;
  const table = siemCursors(database);
  const now = () => clock.wallMs();
  const version = packageVersion();
  const deliverer = new SiemDeliverer<IngestionTarget>({
    table,
    findTarget: async (tenantId) => {
      const target = targetOf(await findTenant(tenants, tenantId));
      if (!target) await table.unfollow([tenantId]);
      return target;
    },
    send: (target, events) => azure.ingestion.send(target, events),
    eventOf: (line, tenantId, sequence) => ocsfEvent(line, { tenantId, sequence, version }),
    now,
    onFailing: (tenantId, { reason, message }) =>
      logger.warn({ tenantId, reason, problem: message }, "a customer's SIEM accepts no audit records; they wait"),
    onRecovery: (tenantId) => logger.info({ tenantId }, "a customer's SIEM accepts audit records again"),
    onSkipped: (tenantId, sequence) =>
      logger.error({ tenantId, sequence }, "a customer's SIEM refuses an audit record as too large; it was left out"),
    onTrouble: (error) => logger.error({ error }, "audit records are not delivered to customers' SIEMs"),
    onEnd: () => logger.info("audit records are delivered to customers' SIEMs again"),
  });
  const follow = (ids?: readonly string[]) =>
    followTenants(tenants, table, now(), ids).catch((error: unknown) =>
      logger.warn({ error }, "the list of customers' SIEMs was not updated"),
    );
  tenants.onChange((tenantId) => void follow(tenantId === undefined ? undefined : [tenantId]));
  await follow();
  return {
    counts: () => deliverer.counts(),
    lag: () => table.lag(now()),
    find: table.find,
    close: () => deliverer.close(),
  };
}

/** Returns the SIEM of an active tenant that has one. */
const targetOf = (tenant: Tenant | undefined): IngestionTarget | undefined =>
  tenant?.siem && tenant.state === 'active' ? { ...tenant, rule: tenant.siem.logsIngestion } : undefined;

const PAGE = 200;

/** Follows these tenants, or all of the registry. */
async function followTenants(
  tenants: TenantRegistry,
  table: SiemTable,
  now: number,
  ids?: readonly string[],
): Promise<void> {
  const note = async (found: readonly (Tenant | undefined)[]) => {
    await table.follow(
      found.flatMap((tenant) => (tenant && targetOf(tenant) ? [tenant.id] : [])),
      now,
    );
  };
  if (ids) {
    await note(await Promise.all(ids.map((id) => findTenant(tenants, id))));
    return;
  }
  let cursor: string | undefined;
  do {
    const page = await tenants.list(PAGE, cursor);
    await note(page.tenants);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
}

/** This process's part in the deliveries to the vendor's collector. */
export interface OtlpLogs {
  counts(): Readonly<Record<'delivered' | 'failures' | 'skipped' | 'rejected', number>>;
  lag(): ReturnType<OtlpCursors['lag']>;
  close(): Promise<void>;
}

interface OtlpLogsParts {
  readonly config: Pick<Config, 'siem'>;
  readonly home: Pick<Home, 'vault'>;
  readonly logger: Logger;
  readonly clock: Clock;
  /** The database of the audit records. */
  readonly database: SqlDatabase | undefined;
}

const TIMEOUT_MS = 30_000;
/** A new version of the collector's token is used within this time, and at once after a refusal. */
const TOKEN_AGE_MS = 300_000;
/** Records gather for this long: a call for each record would cost both sides more. */
const GATHER_MS = 2_000;

/** Starts the deliveries; undefined if they are off. */
export async function startOtlpLogs(parts: OtlpLogsParts): Promise<OtlpLogs | undefined> {
  const { config, logger, clock, database } = parts;
  const { otlpEndpoint: endpoint } = config.siem;
  if (endpoint === undefined || !database) return undefined;
  const table = otlpCursors(database);
  const version = packageVersion();
  const now = () => clock.wallMs();
  let rejected = 0;
  const send = otlpLogs({
    endpoint,
    version,
    timeoutMs: TIMEOUT_MS,
    authorization: authorizationOf(parts),
    onRejected: (records) => {
      rejected += records;
      logger.error({ records }, 'the collector refused audit records of a call that it accepted');
    },
  });
  await table.begin();
  const deliverer = new SiemDeliverer<true>({
    table,
    findTarget: async () => true,
    send: (_target, events) => send(events),
    eventOf: (line) => chainEvent(line, version),
    now,
    timing: { gatherMs: GATHER_MS },
    onFailing: (chain, { reason, message }) =>
      logger.warn({ chain, reason, problem: message }, 'the collector accepts no audit records; they wait'),
    onRecovery: (chain) => logger.info({ chain }, 'the collector accepts audit records again'),
    onSkipped: (chain, sequence) =>
      logger.error({ chain, sequence }, 'the collector refuses an audit record as too large; it was left out'),
    onTrouble: (error) => logger.error({ error }, 'audit records are not delivered to the collector'),
    onEnd: () => logger.info('audit records are delivered to the collector again'),
  });
  return {
    counts: () => ({ ...deliverer.counts(), rejected }),
    lag: () => table.lag(now()),
    close: () => deliverer.close(),
  };
}

/** Returns the reader of the token; it reads the home vault as seldom as possible. */
function authorizationOf({ config, home, clock }: OtlpLogsParts): (isRefused: boolean) => Promise<string | undefined> {
  const { otlpAuthorizationSecret: name } = config.siem;
  if (name === undefined) return async () => undefined;
  let value: string | undefined;
  let readAt = 0;
  return async (isRefused) => {
    if (value !== undefined && !isRefused && clock.monotonicMs() - readAt < TOKEN_AGE_MS) return value;
    const { usable } = await home.vault.versions(name, 1);
    [{ value } = { value: undefined }] = usable;
    if (value === undefined) throw new Error('the secret has no usable version');
    readAt = clock.monotonicMs();
    return value;
  };
}
