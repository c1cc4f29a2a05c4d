/**
 * How often an open page is read again while its tab is shown. Seldom, since each read is in the
 * audit log.
 */
export const REFRESH_MS = 120_000;
