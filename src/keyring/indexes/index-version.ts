import { MAX_VERSION, type Normalize } from '../../format/index-key.ts';

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

/** Returns the label of its stored key: `email 1 128 nfc`. */
export const indexLabel = ({ name, version, bits, normalize }: IndexVersion): string =>
  `${name} ${version} ${bits} ${normalize}`;

/** Returns the version that a label names, or undefined for a text of another form. */
export function parseIndexLabel(label: string): IndexVersion | undefined {
  const [, name, version, bits, normalize] = LABEL.exec(label) ?? [];
  if (name === undefined) return undefined;
  const parsed = { name, version: Number(version), bits: Number(bits), normalize: normalize as Normalize };
  const isLength = parsed.bits >= MIN_BITS && parsed.bits <= MAX_BITS && parsed.bits % 8 === 0;
  return isLength && parsed.version <= MAX_VERSION ? parsed : undefined;
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
