import { randomBytes, randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Emulator, startEmulator } from '../src/emulator/emulator.ts';
import type { State } from '../src/emulator/state.ts';

/** Prefix of the names of customers made here. */
export const CUSTOMER = 'customer-';

/**
 * Starts an emulated Azure with so many additional customers, each with a directory, a vault and a
 * key of its own. The keys are copies of Contoso's with other names and versions, because making
 * 10,000 takes ten minutes; callers of the vaults see no difference.
 */
export async function startCrowded(folder: string, customers: number): Promise<Emulator> {
  const stateFile = join(folder, 'emulator.json');
  await (await startEmulator({ firstPort: 0, stateFile })).close();
  const state = JSON.parse(await readFile(stateFile, 'utf8')) as State; // only the emulator writes this file
  for (let at = 1; at <= customers; at += 1) addCopy(state, `${CUSTOMER}${at}`);
  await writeFile(stateFile, JSON.stringify(state));
  return startEmulator({ firstPort: 0, stateFile });
}

function addCopy({ tenants, vaults }: State, name: string): void {
  const tenant = tenants.find((candidate) => candidate.name === 'contoso');
  const vault = vaults.find((candidate) => candidate.name === 'contoso');
  if (!tenant || !vault) throw new Error('no customer contoso');
  const tenantId = randomUUID();
  const objectId = randomUUID();
  tenants.push({ name, tenantId, principals: tenant.principals.map((app) => ({ ...app, objectId })) });
  vaults.push({
    ...vault,
    name,
    tenantId,
    roleAssignments: vault.roleAssignments.map((role) => ({ ...role, objectId })),
    keys: vault.keys.map((key) => ({
      ...key,
      versions: key.versions.map((version) => ({
        ...version,
        version: randomBytes(16).toString('hex'),
        tags: { 'vaultspan-tenant': name },
      })),
    })),
    secrets: [],
  });
}
