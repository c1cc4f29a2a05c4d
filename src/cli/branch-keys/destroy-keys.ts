import { ConfigError } from '../../config/load-config.ts';
import { eraseCopies } from '../../keyring/copies/erase-copies.ts';
import { copyFiles } from '../../keyring/copies/read-copies.ts';
import type { LinedKey } from '../../keyring/key-line.ts';
import { type Destroyed, destroyBranchKeys } from '../../operations/branches/destroy-branch-keys.ts';
import { amount } from '../support/audit-report.ts';
import type { CommandIo } from '../support/command.ts';
import { openKeyring } from '../support/open-keyring.ts';
import type { Tools } from '../support/open-tools.ts';

export interface DestroyFlags {
  readonly before?: string | undefined;
  readonly yes?: string | undefined;
  readonly copies: boolean;
}

/** Destroys the branch keys of a tenant's past, and prints where they still exist. */
export async function destroyKeys(
  tools: Tools,
  tenantId: string,
  { before, yes, copies }: DestroyFlags,
  io: CommandIo,
): Promise<number> {
  const beforeMs = before === undefined ? Number.NaN : Date.parse(before);
  if (Number.isNaN(beforeMs)) throw new ConfigError('Give --before a date, such as 2026-11-01 or 2026-11-01T00:00:00Z');
  if (yes !== tenantId) {
    throw new ConfigError(
      `This makes the compact messages of ${tenantId} from before ${new Date(beforeMs).toISOString()} undecryptable. To destroy their keys, add: --yes ${tenantId}`,
    );
  }
  await using keyring = await openKeyring(tools);
  const deps = { ...tools, ...keyring, epochMs: tools.config.branchKeys.epochMs };
  const result = await destroyBranchKeys(deps, tools.call(), { tenantId, beforeMs });
  const { destroyed, before: earlier, staying } = result;
  io.stdout(`${tenantId}: ${amount(destroyed.length, 'branch key')} destroyed, ${earlier.length} already destroyed\n`);
  if (staying > 0) {
    io.stdout(`${amount(staying, 'branch key')} began before then and may have encrypted later: not destroyed\n`);
  }
  if (destroyed.length + earlier.length > 0) await showRemains(tools, tenantId, result, copies, io);
  return 0;
}

/** Prints what must also be deleted before the messages are shredded. */
async function showRemains(
  tools: Tools,
  tenantId: string,
  { destroyed, before }: Destroyed,
  isErasing: boolean,
  io: CommandIo,
): Promise<void> {
  const ids = new Set([...destroyed, ...before].map(({ id }) => id));
  const versions = [...new Set(destroyed.map(({ kid }) => kid))];
  io.stdout('The keys are destroyed only once these are deleted too, or the key versions that wrap them:\n');
  io.stdout(`  copies: ${await copiesOf(tools, tenantId, ids, isErasing)}\n`);
  io.stdout('  exports: the files of each audit record branch-keys-export, and of branch-keys-read for this tenant\n');
  io.stdout('  backups and replicas of the database from before now\n');
  for (const kid of versions) io.stdout(`  key version: ${kid}\n`);
}

async function copiesOf(
  { config }: Tools,
  tenantId: string,
  ids: ReadonlySet<string>,
  isErasing: boolean,
): Promise<string> {
  const { copies } = config.branchKeys;
  if (typeof copies !== 'object') return copies === 'export' ? 'exports are the copies' : 'none are made';
  const isWanted = (key: LinedKey) => key.tenantId === tenantId && ids.has(key.id);
  let [lines, files] = [0, 0];
  for (const file of await copyFiles(copies.directory)) {
    const found = await eraseCopies(file, isWanted, isErasing);
    lines += found;
    if (found > 0) files += 1;
  }
  if (lines === 0) return `none in ${copies.directory}`;
  const where = `${amount(lines, 'line')} in ${amount(files, 'file')} of ${copies.directory}`;
  return isErasing ? `${where}, overwritten` : `${where}; --copies overwrites them`;
}
