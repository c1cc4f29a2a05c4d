import type { SpentLimit } from '../../errors.ts';

/** Quota units of the draft's registry; others count as requests. */
const UNITS: Readonly<Record<string, string>> = { bytes: ';qu="content-bytes"' };

/**
 * Returns the headers of limits, names and values in turn: what a client may do, and what is left
 * of it until when (draft-ietf-httpapi-ratelimit-headers-10).
 */
export function rateLimitHeaders(limits: readonly SpentLimit[]): readonly string[] {
  const policies = limits.map(
    ({ name, limit, windowSeconds }) => `"${name}";q=${limit}${UNITS[name] ?? ''};w=${windowSeconds}`,
  );
  const states = limits.map(({ name, left, seconds }) => `"${name}";r=${left};t=${seconds}`);
  return ['RateLimit-Policy', policies.join(', '), 'RateLimit', states.join(', ')];
}
