import type { KekFacts } from '../../keyring/key-wrapper.ts';

/**
 * Operations per vault and 10 s by size of an RSA key:
 * https://learn.microsoft.com/azure/key-vault/general/service-limits
 */
const SOFTWARE = new Map([
  [2_048, 4_000],
  [3_072, 1_000],
  [4_096, 500],
]);
const HSM = new Map([
  [2_048, 2_000],
  [3_072, 500],
  [4_096, 250],
]);
/** Reads. */
const OTHER = 4_000;
/** The unit of budgets: a call with an RSA-2048 key in an HSM. */
const UNIT = 2_000;

/**
 * The part of the quota that all processes use together: 10 s of the rate and the burst make 90 %
 * of it. The rest is for the vault's other users and for the doctor, whose calls are not limited.
 */
export const UNITS_PER_SECOND = 150;
export const UNITS_AT_ONCE = 300;

export const READ_COST = UNIT / OTHER;

/**
 * Returns the cost of one wrap or unwrap within the vault's budget. Azure adds up calls in this
 * way: one with a key of half the quota counts twice. Symmetric keys count 1: their quota in Key
 * Vault is not published, and a Managed HSM's is larger.
 */
export function costOf({ bits, isHsm }: Pick<KekFacts, 'bits' | 'isHsm'>): number {
  if (bits === undefined) return 1;
  const quotas = isHsm ? HSM : SOFTWARE;
  return UNIT / (quotas.get(bits) ?? Math.min(...quotas.values()));
}
