import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { newSecretKey } from '../src/azure/home/home-keys.ts';
import { startEmulator } from '../src/emulator/emulator.ts';
import { settingsFor } from '../test/support/config.ts';
import { ALL_ROLES } from '../test/support/start-service.ts';

/** The emulated Azure's message to its parent, once it listens. */
export interface EmulatedAzure {
  readonly controlUrl: string;
  readonly customers: readonly { readonly name: string; readonly tenantId: string; readonly vaultUrl: string }[];
  /** Configuration of a service that uses it. */
  readonly config: Readonly<Record<string, unknown>>;
  /**
   * Token of a caller with all roles, valid for half a day; a clock that is set back by hours still
   * accepts it.
   */
  readonly token: string;
}

const WRAP_ROLE = 'Key Vault Crypto Service Encryption User';
/** Callers' tokens are valid for at most a day. */
const HALF_DAY_SECONDS = 43_200;

/**
 * The emulated Azure in a process of its own, so that its work does not count as a caller's
 * latency. Arguments: folder, names of customers.
 */
const [, , folder = '', ...names] = process.argv;
const emulator = await startEmulator({
  firstPort: 0,
  seed: (directory) => {
    for (const name of names) directory.addCustomer({ name, keys: ['data', 'cold'], role: WRAP_ROLE });
  },
});
for (const name of ['vaultspan-origin-key', 'vaultspan-audit-key']) {
  await emulator.control.setSecret({ vault: 'home', name, value: newSecretKey() });
}
await writeFile(join(folder, 'ca.pem'), emulator.caPem);
const startedAt = Math.floor(Date.now() / 1_000) - HALF_DAY_SECONDS;
process.on('disconnect', () => process.exit());
process.send?.({
  controlUrl: emulator.controlUrl,
  customers: emulator.customers.map(({ name, tenantId, vaultUrl }) => ({ name, tenantId, vaultUrl })),
  config: settingsFor(emulator, folder),
  token: await emulator.issueCallerToken({
    roles: ALL_ROLES,
    expiresInSeconds: HALF_DAY_SECONDS,
    claims: { iat: startedAt, nbf: startedAt },
  }),
} satisfies EmulatedAzure);
