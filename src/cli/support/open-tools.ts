import { randomUUID } from 'node:crypto';
import type { AuditSink } from '../../audit/sink.ts';
import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import type { Role } from '../../callers/principal.ts';
import { openAudit } from '../../compose/audit.ts';
import { openAzure } from '../../compose/azure.ts';
import { type Home, openHome } from '../../compose/home.ts';
import { unwrapRecorder } from '../../compose/receipts.ts';
import { openStore, type Store } from '../../compose/store.ts';
import { usageReader } from '../../compose/usage.ts';
import type { Config } from '../../config/resolved.ts';
import { systemClock } from '../../lib/clock.ts';
import { parseInput } from '../../lib/parse-input.ts';
import type { ReadUsageDeps } from '../../operations/audit/read-usage.ts';
import type { ChangeTenantDeps } from '../../operations/change-tenant.ts';
import type { CheckTenantDeps } from '../../operations/doctor/check-tenant.ts';
import type { OnboardingDeps } from '../../operations/doctor/onboarding.ts';
import { silentLogger } from '../../telemetry/logger.ts';
import type { Tenant } from '../../tenants/record.ts';
import { tenantSchema } from '../../tenants/record-schema.ts';
import type { TenantRegistry } from '../../tenants/registry.ts';
import type { CommandIo } from './command.ts';
import { prepareForEmulator } from './emulated-azure.ts';
import { readConfig } from './read-config.ts';

/** The tools of commands on tenants, with or without a running service. */
export interface Tools extends AsyncDisposable, Omit<OnboardingDeps & ChangeTenantDeps, 'tenants'> {
  readonly config: Config;
  readonly home: Home;
  readonly tenants: TenantRegistry;
  readonly audit: AuditSink;
  /** Returns a call of its own for every command, made by `cli:` and the user's name. */
  readonly call: () => AuthenticatedRequest;
  readonly lastCheck: CheckTenantDeps['lastCheck'];
  readonly claims: CheckTenantDeps['claims'];
  readonly history: Store['history'];
  readonly keys: Store['keys'];
  readonly lastChecks: Store['lastChecks'];
  readonly bells: Store['bells'];
  readonly drills: Store['drills'];
  readonly links: Store['links'];
  readonly keyring: Store['keyring'];
  readonly keyUsage: Store['keyUsage'];
  /** Absent if audit records stay in files. */
  readonly usage: ReadUsageDeps['usage'];
}

const ALL_ROLES: readonly Role[] = ['Tenants.Read', 'Tenants.Manage', 'Audit.Read'];

/**
 * Opens the registry and a chain of the audit log, in this process.
 * @throws ConfigError, ServiceError, TenantListError
 */
export async function openTools(path: string | undefined, io: CommandIo): Promise<Tools> {
  io.progress('opening the home vault and the database');
  const config = readConfig(path, io);
  prepareForEmulator(config, io);
  const home = openHome(config);
  const store = await openStore(config, home, silentLogger());
  const schema = tenantSchema(config.vaultHosts);
  const audit = await openAudit(config, home, undefined, silentLogger());
  io.progress('working');
  const principal = { id: `cli:${io.user}`, roles: new Set<string>(ALL_ROLES), tenantIds: undefined };
  return {
    config,
    home,
    tenants: store.tenants,
    lastCheck: store.lastCheck,
    claims: store.claims,
    lastChecks: store.lastChecks,
    history: store.history,
    keys: store.keys,
    bells: store.bells,
    drills: store.drills,
    links: store.links,
    keyring: store.keyring,
    keyUsage: store.keyUsage,
    usage: audit.database && usageReader(audit.database),
    audit: audit.sink,
    parseTenant: (record) => parseInput(schema, record, ''),
    obstacles: config.obstacles,
    makeIndexKeys: () => undefined, // a running service makes them at its next visit
    contextDigest: () => '', // no command here has an encryption context
    appId: config.home.appId,
    call: () => ({ principal, requestId: randomUUID() }),
    [Symbol.asyncDispose]: async () => {
      await audit.close();
      await store.close();
    },
  };
}

/**
 * Returns the same with the doctor's dependencies; the app's credential is read from the home
 * vault.
 * @throws ServiceError
 */
export async function openDoctor(tools: Tools): Promise<CheckTenantDeps> {
  const { openProbe } = await openAzure(tools.config, tools.home, silentLogger(), systemClock, undefined, {
    onUnwrap: unwrapRecorder(tools.config, () => tools.audit),
  });
  return { ...tools, openProbe, clock: systemClock, dataKeys: undefined };
}

const PAGE = 200;

/** Returns every tenant, ordered by id, with one page in memory at a time. */
export async function* allTenants(tools: Pick<Tools, 'tenants'>): AsyncGenerator<Tenant> {
  for await (const page of tenantPages(tools)) yield* page;
}

export async function* tenantPages({ tenants }: Pick<Tools, 'tenants'>): AsyncGenerator<readonly Tenant[]> {
  let cursor: string | undefined;
  do {
    const page = await tenants.list(PAGE, cursor);
    yield page.tenants;
    cursor = page.nextCursor;
  } while (cursor !== undefined);
}
