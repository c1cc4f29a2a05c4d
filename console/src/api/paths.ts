/** Returns the address of a tenant, or of something below it. */
export const tenantPath = (tenantId: string, below = ''): string => `/tenants/${encodeURIComponent(tenantId)}${below}`;
