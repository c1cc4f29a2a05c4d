import { openAzure } from '../../compose/azure.ts';
import { openBranches } from '../../compose/branches.ts';
import { openGcm } from '../../compose/gcm.ts';
import { type Keys, openKeys } from '../../compose/keys.ts';
import { unwrapRecorder } from '../../compose/receipts.ts';
import type { BranchCopies } from '../../keyring/branches/branch-deps.ts';
import { systemClock } from '../../lib/clock.ts';
import { defined } from '../../lib/defined.ts';
import { silentLogger } from '../../telemetry/logger.ts';
import type { Tenant } from '../../tenants/record.ts';
import { findTenant } from '../../tenants/registry.ts';
import type { Tools } from './open-tools.ts';

/** The keys of this process, for commands that open or move stored keys. */
export interface Keyring extends AsyncDisposable {
  readonly dataKeys: Keys['dataKeys'];
  /** Copies outside of the database, as the configuration has them. */
  readonly copies: BranchCopies;
  readonly originKeys: Awaited<ReturnType<typeof openAzure>>['originKeys'];
}

/**
 * Opens the customers' vaults as the service does, with the app's credential of the home vault.
 * @throws ServiceError
 */
export const openKeyring = (tools: Tools): Promise<Keyring> => open(tools, tools);

/**
 * Opens the same for checks: it makes, copies and moves no stored key, since the command may run on
 * a machine that does not keep them.
 * @throws ServiceError
 */
export function openKeyringToTry(tools: Tools): Promise<Keyring> {
  const { config, keyring } = tools;
  const no = async () => false;
  const keys = { ...keyring.keys, create: no, replace: no, markCopied: async () => undefined };
  const branchKeys = { ...config.branchKeys, copies: 'none' as const };
  return open(tools, { config: { ...config, branchKeys }, keyring: { ...keyring, keys } });
}

async function open(tools: Tools, { config, keyring }: Pick<Tools, 'config' | 'keyring'>): Promise<Keyring> {
  const { home, audit, tenants, keyUsage } = tools;
  const [logger, clock] = [silentLogger(), systemClock];
  const azure = await openAzure(config, home, logger, clock, undefined, {
    onUnwrap: unwrapRecorder(config, () => audit),
  });
  const branches = openBranches({ config, home, logger, clock, store: { keyring }, audit: { sink: audit }, azure });
  await branches.bind();
  const store = { tenants, keyUsage };
  const keys = openKeys({
    config,
    logger,
    clock,
    jitter: Math.random,
    gcm: openGcm(config, logger),
    azure,
    store,
    branches,
  });
  return {
    dataKeys: keys.dataKeys,
    copies: branches.parts.copies,
    originKeys: azure.originKeys,
    [Symbol.asyncDispose]: async () => {
      await keys.close();
      await branches.close();
    },
  };
}

/**
 * Returns the tenant; of a removed one, its last record, since its stored keys stay. Undefined for
 * an id that the registry does not know.
 * @throws ServiceError `registry-unavailable`
 */
export async function tenantOfKeys(tools: Tools, tenantId: string): Promise<Tenant | undefined> {
  const tenant = await findTenant(tools.tenants, tenantId);
  if (tenant) return tenant;
  const [last] = (await tools.history(tenantId)).changes;
  if (!last) return undefined;
  const at = new Date(last.changedAt).toISOString();
  const record = tools.parseTenant({ ...(JSON.parse(last.record) as object), id: tenantId });
  return defined({ ...record, revision: `removed ${last.revision}`, createdAt: at, updatedAt: at }) as Tenant;
}
