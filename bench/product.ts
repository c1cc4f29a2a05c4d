import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { newSecretKey } from '../src/azure/home/home-keys.ts';
import { type Emulator, startEmulator } from '../src/emulator/emulator.ts';
import { settingsFor } from '../test/support/config.ts';
import { ALL_ROLES } from '../test/support/start-service.ts';
import { type MeasuredProcess, startMeasured } from './cpu.ts';
import { CUSTOMER, startCrowded } from './crowd.ts';

interface BenchTenant {
  readonly id: string;
  readonly entraTenantId: string;
  readonly keys: object;
  readonly defaultKey: string;
}

interface SiteOptions {
  /**
   * Number of additional customers, each with a directory and a vault of its own: `customer-1` and
   * so on.
   */
  readonly customers?: number;
}

/**
 * An emulated Azure in this process, and a folder with the configuration of services that are
 * measured against it.
 */
export interface BenchSite {
  readonly emulator: Emulator;
  readonly folder: string;
  readonly token: string;
  /** Tenants of `contoso`, then of the additional customers; they are in the list of tenants. */
  readonly tenants: readonly BenchTenant[];
  /** Writes a file and returns its path; `config` overrides the default. */
  writeConfig(config?: Record<string, unknown>): Promise<string>;
  /** Starts a service in a process of its own; `config` overrides the default. */
  startProduct(config?: Record<string, unknown>): Promise<MeasuredProcess>;
  close(): Promise<void>;
}

export async function openBenchSite({ customers = 0 }: SiteOptions = {}): Promise<BenchSite> {
  const folder = await mkdtemp(join(tmpdir(), 'vaultspan-bench-'));
  const emulator = await (customers === 0 ? startEmulator({ firstPort: 0 }) : startCrowded(folder, customers));
  setDefaultCACertificates([...getCACertificates('default'), emulator.caPem]);
  for (const name of ['vaultspan-origin-key', 'vaultspan-audit-key']) {
    await emulator.control.setSecret({ vault: 'home', name, value: newSecretKey() });
  }
  await writeFile(join(folder, 'ca.pem'), emulator.caPem);
  const tenants = tenantsOf(emulator);
  await writeFile(join(folder, 'tenants.json'), JSON.stringify({ tenants }));
  let count = 0;
  const writeConfig = async (config: Record<string, unknown> = {}): Promise<string> => {
    count += 1;
    const file = join(folder, `config-${count}.json`);
    const http = { port: 0, drainSeconds: 0, callerRequestsPerSecond: 0, ...(config['http'] as object | undefined) };
    await writeFile(file, JSON.stringify({ ...settingsFor(emulator, folder), ...config, http }));
    return file;
  };
  return {
    emulator,
    folder,
    tenants,
    token: await emulator.issueCallerToken({ roles: ALL_ROLES }),
    writeConfig,
    startProduct: async (config) =>
      startMeasured(join(import.meta.dirname, 'product-server.ts'), [await writeConfig(config)]),
    close: async () => {
      await emulator.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const tenantsOf = ({ customers }: Emulator): BenchTenant[] =>
  customers
    .filter(({ name }) => name === 'contoso' || name.startsWith(CUSTOMER))
    .map(({ name, tenantId, vaultUrl }) => ({
      id: name,
      entraTenantId: tenantId,
      keys: { data: { vaultUrl, name: 'data', use: 'data' } },
      defaultKey: 'data',
    }));
