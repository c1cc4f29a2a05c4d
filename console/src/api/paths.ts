/**
 * Returns a text as one segment of a path. Browsers resolve `.` and `..`, however they are escaped,
 * so these become a name that nothing has.
 */
export const segment = (text: string): string => (/^\.{1,2}$/.test(text) ? '-' : encodeURIComponent(text));

/** Returns the address of a tenant, or of something below it. */
export const tenantPath = (tenantId: string, below = ''): string => `/tenants/${segment(tenantId)}${below}`;
