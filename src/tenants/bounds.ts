import type { Tenant } from './record.ts';

/** Limits of one data key. */
export interface DataKeyBounds {
  readonly mode: 'cached' | 'perMessage';
  readonly maxAgeMs: number;
  readonly maxMessages: number;
  readonly maxBytes: number;
}

/**
 * Returns how long a proof of access to the tenant's keys is valid: its record's bound, else the
 * deployment's.
 */
export const revocationBoundMsOf = ({ revocationBoundSeconds }: Tenant, defaultMs: number): number =>
  revocationBoundSeconds === undefined ? defaultMs : revocationBoundSeconds * 1_000;

/** Entra throttles an app that signs in constantly. */
const MIN_TOKEN_AGE_MS = 60_000;

/** The deployment's settings of revocation. */
export interface RevocationBounds {
  readonly boundMs: number;
  readonly tokenMaxAgeMs?: number | undefined;
}

/** Returns how long a sign-in of the tenant serves: the deployment's setting, else half of the bound. */
export const tokenMaxAgeMsOf = (tenant: Tenant, { boundMs, tokenMaxAgeMs }: RevocationBounds): number =>
  Math.max(MIN_TOKEN_AGE_MS, tokenMaxAgeMs ?? revocationBoundMsOf(tenant, boundMs) / 2);

/**
 * Returns the pause between two checks of the tenant: its record's interval, else the deployment's.
 */
export const checkIntervalMsOf = ({ checkIntervalSeconds }: Tenant, defaultMs: number): number =>
  checkIntervalSeconds === undefined ? defaultMs : checkIntervalSeconds * 1_000;

/**
 * Returns the bounds of the tenant's data keys: each from its record if present, else the
 * deployment's.
 */
export function dataKeyBoundsOf({ dataKeys = {} }: Tenant, defaults: DataKeyBounds): DataKeyBounds {
  const { maxAgeSeconds, ...own } = dataKeys;
  return { ...defaults, ...own, maxAgeMs: maxAgeSeconds === undefined ? defaults.maxAgeMs : maxAgeSeconds * 1_000 };
}
