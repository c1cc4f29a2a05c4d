import * as z from 'zod';
import { isBranchId } from '../format/compact.ts';
import { TENANT_ID } from '../format/jwe-header.ts';
import type { NewStoredKey, StoredKey } from './keyring-store.ts';

/** A key of an export or of a copy; without a JWE it was destroyed. */
export type LinedKey = Omit<NewStoredKey, 'jwe'> & { readonly jwe?: string };

/** The longest line of a key, and of one that `destroy` padded. */
export const MAX_LINE_BYTES = 8_192;

const Line = z.strictObject({
  tenantId: z.string().regex(TENANT_ID),
  kind: z.enum(['branch', 'index']),
  id: z.string().refine(isBranchId),
  label: z.string().min(1).max(128),
  vaultKey: z.string().min(1).max(512),
  kid: z.string().min(1).max(512),
  jwe: z.string().min(1).exactOptional(),
  destroyed: z.literal(true).exactOptional(),
});

/**
 * Returns the line of a key in an export or a copy, without its newline. The line of a destroyed
 * key has `destroyed` instead of a JWE, so that an import never brings the key back.
 */
export const keyLine = (key: LinedKey | StoredKey): string => JSON.stringify(shownKey(key));

/** Returns a key as exports and the API show it. */
export function shownKey({ tenantId, kind, id, label, vaultKey, kid, jwe }: LinedKey | StoredKey) {
  const key = { tenantId, kind, id, label, vaultKey, kid };
  return jwe === undefined ? { ...key, destroyed: true as const } : { ...key, jwe };
}

/** Returns the key of a line; undefined for a line that `keyLine` did not write. */
export function parseKeyLine(line: string): LinedKey | undefined {
  if (line.length > MAX_LINE_BYTES) return undefined;
  const parsed = Line.safeParse(jsonOf(line));
  if (!parsed.success) return undefined;
  const { destroyed, ...key } = parsed.data;
  return (destroyed === true) === (key.jwe === undefined) ? key : undefined;
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
