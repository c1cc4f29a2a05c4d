import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ServiceError } from '../../errors.ts';
import { putTenant } from '../../operations/change-tenant.ts';
import { recordOf, type Tenant } from '../../tenants/record.ts';
import { findTenant } from '../../tenants/registry.ts';
import { readTenantList } from '../../tenants/tenant-list.ts';
import type { CommandIo } from './command.ts';
import type { Tools } from './open-tools.ts';

type Outcome = 'created' | 'replaced' | 'unchanged';
const PROGRESS_EVERY = 500;

/**
 * Registers a list. The whole list is checked first; then each tenant is one change, so that a
 * second run continues where the first ended.
 */
export async function importTenants(tools: Tools, file: string, isDryRun: boolean, io: CommandIo): Promise<number> {
  const path = resolve(io.cwd, file);
  const { vaultHosts, obstacles } = tools.config;
  const now = new Date().toISOString();
  const wanted = [...readTenantList(path, await readFile(path), vaultHosts, now, obstacles).values()];
  const counts: Record<Outcome | 'failed', number> = { created: 0, replaced: 0, unchanged: 0, failed: 0 };
  for (const [index, tenant] of wanted.entries()) {
    if (io.signal.aborted) break;
    try {
      counts[await importOne(tools, tenant, isDryRun)] += 1;
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      counts.failed += 1;
      io.stderr(`${tenant.id}: ${error.message} (${error.reason ?? error.code})\n`);
    }
    const count = `${index + 1} of ${wanted.length}`;
    io.progress(`${count} tenants`);
    if ((index + 1) % PROGRESS_EVERY === 0 && !io.isStderrTerminal) io.stderr(`${count}\n`);
  }
  const { created, replaced, unchanged, failed } = counts;
  io.stdout(
    `${isDryRun ? 'would be: ' : ''}${created} created, ${replaced} replaced, ${unchanged} unchanged, ${failed} failed\n`,
  );
  return failed === 0 && !io.signal.aborted ? 0 : 1;
}

async function importOne(tools: Tools, wanted: Tenant, isDryRun: boolean): Promise<Outcome> {
  const existing = await findTenant(tools.tenants, wanted.id);
  const record = recordOf(wanted);
  if (existing && JSON.stringify(sorted(recordOf(existing))) === JSON.stringify(sorted(record))) return 'unchanged';
  if (!isDryRun) {
    const ifMatch = existing && `"${existing.revision}"`;
    await putTenant(tools, tools.call(), { tenantId: wanted.id, record, ifMatch });
  }
  return existing ? 'replaced' : 'created';
}

/** Returns a record with sorted members: two records are equal whatever their order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => [name, sorted(member)]),
  );
}
