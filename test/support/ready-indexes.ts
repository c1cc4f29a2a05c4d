import type { BranchCopies } from '../../src/keyring/branches/branch-deps.ts';
import type { Tenant } from '../../src/tenants/record.ts';
import { Deployment, tenantRecord } from './deployment.ts';

/** Seconds until a new key may be used. */
export const SETTLE = 600;
/** The indexes of contoso's record. */
export const INDEXES = { email: {}, name: { bits: 64, normalize: 'nfc' } } as const;

/** Returns a deployment whose contoso has indexes that may write. */
export async function readyIndexes(change: Partial<Tenant> = {}, copies?: BranchCopies) {
  const deployment = new Deployment();
  deployment.copies = copies ?? deployment.copies;
  deployment.register(tenantRecord({ indexes: INDEXES, ...change }));
  const keyring = deployment.withKeyring();
  const process = deployment.start();
  await process.makeIndexKeys();
  deployment.clock.advance(SETTLE);
  return { deployment, keyring, process };
}
