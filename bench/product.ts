import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { newSecretKey } from '../src/azure/home-keys.ts';
import { type Emulator, startEmulator } from '../src/emulator/emulator.ts';
import { ALL_ROLES, configOf } from '../test/support/start-service.ts';
import { type MeasuredServer, startMeasured } from './cpu.ts';

/** An emulated Azure in this process, and a folder with the configuration of services that are measured against it. */
export interface Site {
  readonly emulator: Emulator;
  readonly folder: string;
  readonly token: string;
  /** A service in a process of its own; `config` is laid over the usual one. */
  startProduct(config?: Record<string, unknown>): Promise<MeasuredServer>;
  close(): Promise<void>;
}

export async function openSite(): Promise<Site> {
  const folder = await mkdtemp(join(tmpdir(), 'vaultspan-bench-'));
  const emulator = await startEmulator({ firstPort: 0 });
  setDefaultCACertificates([...getCACertificates('default'), emulator.caPem]);
  for (const name of ['vaultspan-origin-key', 'vaultspan-audit-key']) {
    await emulator.control.setSecret({ vault: 'home', name, value: newSecretKey() });
  }
  await writeFile(join(folder, 'ca.pem'), emulator.caPem);
  await writeFile(join(folder, 'tenants.json'), JSON.stringify({ tenants: [tenantOf(emulator, 'contoso')] }));
  let count = 0;
  return {
    emulator,
    folder,
    token: await emulator.issueCallerToken({ roles: ALL_ROLES }),
    startProduct: async (config = {}) => {
      count += 1;
      const file = join(folder, `config-${count}.json`);
      await writeFile(file, JSON.stringify({ ...configOf(emulator, folder), ...config }));
      return startMeasured(join(import.meta.dirname, 'product-server.ts'), [file]);
    },
    close: async () => {
      await emulator.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function tenantOf({ customers }: Emulator, name: string): object {
  const customer = customers.find((candidate) => candidate.name === name);
  if (!customer) throw new Error(`no customer ${name}`);
  const { tenantId, vaultUrl } = customer;
  return {
    id: name,
    entraTenantId: tenantId,
    keys: { data: { vaultUrl, name: 'data', use: 'data' } },
    defaultKey: 'data',
  };
}
