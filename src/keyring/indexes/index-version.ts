import type { Normalize } from '../../format/index-key.ts';

/** One version of an index. Bits and normalisation belong to it: stored tokens never change. */
export interface IndexVersion {
  readonly name: string;
  readonly version: number;
  readonly bits: number;
  readonly normalize: Normalize;
}

const LABEL = /^([A-Za-z0-9_-]{1,64}) ([1-9][0-9]{0,9}) ([1-9][0-9]{1,2}) (none|nfc)$/;
const MIN_BITS = 32;
const MAX_BITS = 256;

/** Returns the version that a stored key's label (`email 1 128 nfc`) names, or undefined for a text of another form. */
export function parseIndexLabel(label: string): IndexVersion | undefined {
  const [, name, version, bits, normalize] = LABEL.exec(label) ?? [];
  if (name === undefined) return undefined;
  const parsed = { name, version: Number(version), bits: Number(bits), normalize: normalize as Normalize };
  const isLength = parsed.bits >= MIN_BITS && parsed.bits <= MAX_BITS && parsed.bits % 8 === 0;
  return isLength && parsed.version <= 0xffff_ffff ? parsed : undefined;
}

/** Returns the canonical context (RFC 8785) that authenticates the version in its key's JWE. */
export const indexContext = ({ name, version, bits, normalize }: IndexVersion): Buffer =>
  Buffer.from(
    JSON.stringify({
      'vaultspan:bits': String(bits),
      'vaultspan:index': name,
      'vaultspan:normalize': normalize,
      'vaultspan:version': String(version),
    }),
  );
