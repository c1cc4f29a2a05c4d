import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { PATIENT } from './data-rows.ts';
import type { BenchSite } from './product.ts';

const MAIN = join(import.meta.dirname, '..', 'src', 'main.ts');
const run = promisify(execFile);

/**
 * Starts a service whose tenant has a key of each form; its branch keys encrypt at once.
 * `extra` overrides its settings.
 */
export async function startWithCompactKey(
  { emulator, folder, tenants, writeConfig, startProduct }: BenchSite,
  extra: Readonly<Record<string, unknown>> = {},
) {
  const [contoso] = tenants;
  await emulator.control.createKey({ vault: 'contoso', key: 'compact' });
  const { vaultUrl } = (contoso?.keys as { readonly data?: { readonly vaultUrl?: string } } | undefined)?.data ?? {};
  const keys = { ...contoso?.keys, compact: { vaultUrl, name: 'compact', use: 'data', form: 'compact' } };
  const list = join(folder, 'with-compact.json');
  await writeFile(list, JSON.stringify({ tenants: [{ ...contoso, keys }] }));
  const settings = {
    ...PATIENT,
    registry: {},
    database: { file: join(folder, 'compact.db') },
    branchKeys: { settleSeconds: 0, copies: { directory: join(folder, 'copies') } },
    ...extra,
  };
  const config = await writeConfig(settings);
  for (const command of [
    ['tenants', 'import', list],
    ['branch-keys', 'enable'],
  ]) {
    // In a process of its own: credentials of one emulated Azure are cached, and mean nothing to another.
    await run(process.execPath, [MAIN, ...command, '--config', config], { cwd: folder });
  }
  return startProduct(settings);
}
