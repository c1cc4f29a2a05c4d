import { type KeyObject, randomBytes } from 'node:crypto';
import { javascriptGcm } from '../../src/format/aes-gcm.ts';
import { dataKeyFrom, originMac } from '../../src/format/data-key.ts';
import { sealJwe } from '../../src/format/jwe.ts';
import { headerTemplate } from '../../src/format/jwe-header.ts';
import { parseKid } from '../../src/format/kek-ref.ts';
import { stringOf } from '../../src/lib/json-safe.ts';
import { CMK_V1, ORIGIN_KEY } from './deployment.ts';

interface Forgery {
  readonly kid?: string;
  /** The bytes to which `kc` commits; they are overwritten. */
  readonly committed?: Uint8Array;
  readonly encryptedKey?: string;
  readonly originKey?: KeyObject;
}

/**
 * Returns a message of contoso that never opens. Its mac is valid unless another origin key makes
 * it, and no vault made its encrypted key.
 */
export function forge({
  kid = CMK_V1,
  committed = randomBytes(32),
  encryptedKey = randomBytes(256).fill(0, 0, 1).toString('base64url'), // below any modulus, so that the vault computes
  originKey = ORIGIN_KEY,
}: Forgery = {}): string {
  const kek = parseKid(kid);
  if (!kek) throw new Error(`${kid} is no key id`);
  const wrapped = { kek, algorithm: 'RSA-OAEP-256', kid, tenantId: 'contoso', encryptedKey } as const;
  const header = headerTemplate(
    dataKeyFrom(javascriptGcm, committed, wrapped),
    originMac(originKey, wrapped),
    'vaultspan+jwe',
  );
  const dataKey = dataKeyFrom(javascriptGcm, randomBytes(32), wrapped);
  return stringOf(sealJwe({ dataKey, header }, randomBytes(12), Buffer.from('a'), undefined));
}
