import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newSecretKey } from '../../src/azure/home/home-keys.ts';
import { type Emulator, startEmulator } from '../../src/emulator/emulator.ts';
import { settingsFor } from './config.ts';
import { ALL_ROLES } from './start-service.ts';

/** An emulated Azure with the tenant contoso, for services in processes of their own. */
export interface ProcessSite {
  readonly emulator: Emulator;
  readonly folder: string;
  readonly token: string;
  /** The list of tenants. */
  readonly tenants: readonly object[];
  /**
   * Writes a configuration and returns its file. The service has an audit folder of its own unless
   * the change names one.
   */
  writeConfig(change: Record<string, unknown>): Promise<string>;
  /** Returns the folder of audit records of a configuration. */
  auditFolder(configFile: string): string;
  close(): Promise<void>;
}

export async function openProcessSite(): Promise<ProcessSite> {
  const folder = await mkdtemp(join(tmpdir(), 'processes-'));
  const emulator = await startEmulator({ firstPort: 0 });
  for (const name of ['vaultspan-origin-key', 'vaultspan-audit-key']) {
    await emulator.control.setSecret({ vault: 'home', name, value: newSecretKey() });
  }
  await writeFile(join(folder, 'ca.pem'), emulator.caPem);
  const tenants = emulator.customers
    .filter(({ name }) => name === 'contoso')
    .map(({ tenantId, vaultUrl }) => ({
      id: 'contoso',
      entraTenantId: tenantId,
      keys: { data: { vaultUrl, name: 'data', use: 'data' } },
      defaultKey: 'data',
    }));
  await writeFile(join(folder, 'tenants.json'), JSON.stringify({ tenants }));
  let count = 0;
  return {
    emulator,
    folder,
    tenants,
    token: await emulator.issueCallerToken({ roles: ALL_ROLES }),
    writeConfig: async (change) => {
      count += 1;
      const file = join(folder, `config-${count}.json`);
      const audit = { directory: `${file}.audit` };
      await writeFile(file, JSON.stringify({ ...settingsFor(emulator, folder), audit, ...change }));
      return file;
    },
    auditFolder: (configFile) => `${configFile}.audit`,
    close: async () => {
      await emulator.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * Returns the records of all chains in a folder, by the chain's file. A line that is being written
 * is left out.
 */
export async function recordsIn(folder: string): Promise<ReadonlyMap<string, readonly Record<string, unknown>[]>> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.ndjson'));
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  const parsed = texts.map((text) =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>),
  );
  return new Map(names.map((name, at) => [name, parsed[at] ?? []]));
}
