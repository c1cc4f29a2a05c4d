import type { DataKeyBounds, Tenant } from './record.ts';

/** Returns how long a proof of access to the tenant's keys holds: its record's bound, else the deployment's. */
export const revocationBoundSecondsOf = (tenant: Tenant, defaultSeconds: number): number =>
  tenant.revocationBoundSeconds ?? defaultSeconds;

/** Returns the bounds of the tenant's data keys: each from its record where it has one, else the deployment's. */
export const dataKeyBoundsOf = (tenant: Tenant, defaults: DataKeyBounds): DataKeyBounds => ({
  ...defaults,
  ...tenant.dataKeys,
});
