import { setTimeout as sleep } from 'node:timers/promises';
import { ServiceError } from '../../errors.ts';
import type { Tenant } from '../../tenants/record.ts';
import type { DataKeys } from '../data-keys.ts';

/** The customer's policy on one key, as far as it is known. */
export interface ShownPolicy {
  readonly state: 'in-force' | 'unreadable' | 'unknown';
  readonly policy?: string;
  readonly tags?: Readonly<Record<string, string>>;
  /** The reason that it is not known, or the unreadable tag. */
  readonly detail?: string;
}

/** A vault that does not answer must not delay the reading of a record for longer. */
const LONGEST_MS = 2_000;

/**
 * Returns the policies on a tenant's keys by alias, read from the vaults unless this process just
 * did. A key without a policy is absent. Nothing is read for a suspended tenant.
 */
export async function keyPoliciesOf(
  dataKeys: Pick<DataKeys, 'policyOf'>,
  tenant: Tenant,
): Promise<Readonly<Record<string, ShownPolicy>>> {
  if (tenant.state === 'suspended') return {};
  const late = sleep(LONGEST_MS, 'late' as const, { ref: false });
  const shown = await Promise.all(
    Object.entries(tenant.keys).map(async ([alias, { vaultUrl, name, keyVersion = '' }]) => {
      const reading = dataKeys.policyOf(tenant, { vaultUrl, name, keyVersion }).catch(failureOf);
      return [alias, shownOf(await Promise.race([reading, late]))] as const;
    }),
  );
  return Object.fromEntries(shown.flatMap(([alias, policy]) => (policy ? [[alias, policy]] : [])));
}

type Read = Awaited<ReturnType<DataKeys['policyOf']>> | ServiceError | 'late';

function shownOf(read: Read): ShownPolicy | undefined {
  if (read === 'late') return { state: 'unknown', detail: 'The vault did not answer in time' };
  if (read instanceof ServiceError) {
    const isUnreadable = read.reason === 'policy-unreadable';
    return { state: isUnreadable ? 'unreadable' : 'unknown', detail: read.message };
  }
  return read.rules && { state: 'in-force', policy: read.rules.hash, tags: read.rules.tags };
}

function failureOf(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  throw error;
}
