import { SiemDeliverer } from '../audit/siem/deliverer.ts';
import { ocsfEvent } from '../audit/siem/ocsf.ts';
import type { SiemCursor, SiemTable } from '../audit/siem/siem-table.ts';
import type { IngestionTarget } from '../azure/siem/logs-ingestion.ts';
import type { Config } from '../config/resolved.ts';
import type { SqlDatabase } from '../database/open-database.ts';
import { siemCursors } from '../database/tables/siem-cursors.ts';
import type { Clock } from '../lib/clock.ts';
import { packageVersion } from '../lib/package-version.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Tenant } from '../tenants/record.ts';
import { findTenant, type TenantRegistry } from '../tenants/registry.ts';
import type { Azure } from './azure.ts';

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
