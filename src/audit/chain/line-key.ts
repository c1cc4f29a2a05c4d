import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { hmacSha256 } from '../hmac.ts';

/**
 * Makes the MACs of a chain's lines. An attacker who can write the disk, but does not hold the
 * audit key, cannot make a line that verifies.
 */
export interface LineKey {
  /** Names the key in the chain's `open` record; reveals nothing about the key itself. */
  readonly id: string;
  /** Returns the MAC of a line without its `mac` member, in base64url. */
  mac(line: string): string;
}

const KEY_BYTES = 32;
const ID_BYTES = 9;

/** Returns the key of lines, derived from a version of the audit key (HKDF, RFC 5869). */
export function lineKeyOf(auditKey: KeyObject): LineKey {
  const derived = (info: string, length: number) => Buffer.from(hkdfSync('sha256', auditKey, '', info, length));
  return {
    id: derived('vaultspan audit key id 1', ID_BYTES).toString('base64url'),
    mac: hmacSha256(createSecretKey(derived('vaultspan audit line 1', KEY_BYTES))),
  };
}

/** Returns a line with its MAC as the last member. */
export const withMac = (line: string, mac: string): string => `${line.slice(0, -1)},"mac":"${mac}"}`;
