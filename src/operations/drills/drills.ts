import { randomUUID } from 'node:crypto';
import type { AuthenticatedRequest } from '../../callers/authenticated-request.ts';
import { ServiceError } from '../../errors.ts';
import { defined } from '../../lib/defined.ts';
import { type RevocationBounds, revocationBoundMsOf, tokenMaxAgeMsOf } from '../../tenants/bounds.ts';
import type { DrillRecord, DrillStore } from '../../tenants/drills.ts';
import type { TenantRegistry } from '../../tenants/registry.ts';
import { assertGranted, grantedTenant } from '../granted-tenant.ts';
import { type AuditDeps, recordSuccess } from '../record-success.ts';
import { drillMarkdown } from './drill-markdown.ts';
import { type DrillReport, type DrillStep, drillReport, endingOf, stepOf } from './drill-report.ts';

export interface DrillDeps extends AuditDeps {
  readonly tenants: Pick<TenantRegistry, 'get'>;
  readonly drills: DrillStore;
  readonly revocation: RevocationBounds;
  /** Signs a text as a JWS; absent while receipts are off. */
  readonly signReport: ((payload: string) => Promise<string>) | undefined;
}

const DEFAULT_SECONDS = 3_600;

/** A drill and its result so far. */
export interface ShownDrill {
  readonly step: DrillStep;
  readonly report: DrillReport;
  /** Once the drill ended: the report for people, and the signed one if receipts are on. */
  readonly markdown?: string;
  readonly jws?: string;
}

/**
 * Starts a drill: every process encrypts a sample and decrypts it each second until it was refused
 * everywhere and works again.
 * @throws ServiceError `grant-missing`, `tenant-not-found`, `tenant-suspended`, `drill-running`,
 * `registry-unavailable`, `audit-unavailable`
 */
export async function startDrill(
  deps: DrillDeps,
  request: AuthenticatedRequest,
  { tenantId, maxSeconds = DEFAULT_SECONDS }: { readonly tenantId: string; readonly maxSeconds?: number },
): Promise<ShownDrill> {
  const tenant = await grantedTenant(deps.tenants, request, 'Tenants.Manage', tenantId);
  for (const { id } of await deps.drills.running(tenantId)) await settled(deps, tenantId, id);
  const id = randomUUID();
  await recordSuccess(deps, request, { operation: 'drill-start', tenantId });
  const boundMs = revocationBoundMsOf(tenant, deps.revocation.boundMs);
  const started = await deps.drills.start({
    tenantId,
    id,
    boundMs,
    signInBoundMs: boundMs + tokenMaxAgeMsOf(tenant, deps.revocation),
    startedBy: request.principal.id,
    maxMs: maxSeconds * 1_000,
  });
  if (started === 'running') throw drillRunning('The tenant has a drill that has not ended', undefined);
  if (started === 'too-many') throw drillRunning('Too many tenants have a drill now', 'too-many');
  return shown(deps, await settled(deps, tenantId, id));
}

/**
 * Returns a drill, running or ended.
 * @throws ServiceError `grant-missing`, `tenant-not-found`, `drill-not-found`,
 * `registry-unavailable`, `audit-unavailable`, and as the signature
 */
export async function getDrill(
  deps: DrillDeps,
  request: AuthenticatedRequest,
  { tenantId, drillId }: DrillInput,
): Promise<ShownDrill> {
  assertGranted(request.principal, 'Tenants.Read', tenantId);
  const drill = await readDrill(deps, { tenantId, drillId });
  await recordSuccess(deps, request, { operation: 'drill-read', tenantId });
  return drill;
}

/** A drill in a list. */
interface DrillSummary
  extends Pick<DrillReport, 'drillId' | 'state' | 'startedAt' | 'endedAt' | 'startedBy' | 'boundSeconds' | 'verdict'> {
  /** Present once the report is signed. */
  readonly isSigned?: true;
}

/**
 * Returns the kept drills of a tenant, the newest first. Removed tenants have drills too.
 * @throws ServiceError `grant-missing`, `tenant-not-found`, `registry-unavailable`,
 * `audit-unavailable`
 */
export async function listDrills(
  deps: DrillDeps,
  request: AuthenticatedRequest,
  tenantId: string,
): Promise<{ readonly drills: readonly DrillSummary[] }> {
  assertGranted(request.principal, 'Tenants.Read', tenantId);
  for (const { id } of await deps.drills.running(tenantId)) await settled(deps, tenantId, id);
  const records = await deps.drills.list(tenantId);
  if (records.length === 0) await deps.tenants.get(tenantId);
  await recordSuccess(deps, request, { operation: 'drill-list', tenantId });
  return { drills: records.map(summaryOf) };
}

function summaryOf(record: DrillRecord): DrillSummary {
  const { drillId, state, startedAt, endedAt, startedBy, boundSeconds, verdict } = drillReport(record);
  const isSigned = record.report === undefined ? undefined : (true as const);
  return defined({ drillId, state, startedAt, endedAt, startedBy, boundSeconds, verdict, isSigned });
}

/**
 * Returns a drill without a record, for a command that waits for the end of a drill it started.
 * @throws ServiceError `tenant-not-found`, `drill-not-found`, `registry-unavailable`, and as the
 * signature
 */
export const readDrill = async (
  deps: Omit<DrillDeps, keyof AuditDeps>,
  { tenantId, drillId }: DrillInput,
): Promise<ShownDrill> => shown(deps, await settled(deps, tenantId, drillId));

/**
 * Cancels a drill; one that has ended stays as it is.
 * @throws ServiceError as `getDrill`
 */
export async function cancelDrill(
  deps: DrillDeps,
  request: AuthenticatedRequest,
  { tenantId, drillId }: DrillInput,
): Promise<void> {
  assertGranted(request.principal, 'Tenants.Manage', tenantId);
  const { drill } = await settled(deps, tenantId, drillId);
  await recordSuccess(deps, request, { operation: 'drill-cancel', tenantId });
  await deps.drills.end(drill, 'cancelled');
}

export interface DrillInput {
  readonly tenantId: string;
  readonly drillId: string;
}

/** Returns a drill after ending it if it is over: any reader may find that. */
async function settled(
  { tenants, drills }: Pick<DrillDeps, 'tenants' | 'drills'>,
  tenantId: string,
  id: string,
): Promise<DrillRecord> {
  const record = await drills.find(tenantId, id);
  if (!record) {
    await tenants.get(tenantId);
    throw new ServiceError('drill-not-found', 'The tenant has no drill with this id');
  }
  const ending = record.drill.state === 'running' ? endingOf(record) : undefined;
  if (ending === undefined) return record;
  await drills.end(record.drill, ending);
  return settled({ tenants, drills }, tenantId, id);
}

async function shown(
  { drills, signReport }: Pick<DrillDeps, 'drills' | 'signReport'>,
  record: DrillRecord,
): Promise<ShownDrill> {
  const report = drillReport(record);
  const step = stepOf(record);
  if (record.drill.state === 'running') return { step, report };
  const markdown = drillMarkdown(report);
  if (record.report !== undefined) return { step, report, markdown, jws: record.report };
  if (!signReport) return { step, report, markdown };
  const jws = await drills.keepReport(record.drill, await signReport(JSON.stringify(report)));
  return { step, report, markdown, jws };
}

const drillRunning = (detail: string, reason: string | undefined): ServiceError =>
  new ServiceError('drill-running', detail, {
    ...(reason !== undefined && { reason }),
    fix: { owner: 'vendor', action: 'Wait until it ends, or cancel it' },
  });
