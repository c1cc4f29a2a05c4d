import type { KeyVaultKey } from '@azure/keyvault-keys';
import { ServiceError } from '../../errors.ts';
import { type KekRef, kidOf } from '../../format/kek-ref.ts';
import type { KekType } from '../../format/wrap-algorithms.ts';
import type { KekFacts } from '../../keyring/key-wrapper.ts';
import { replaceKey } from '../../tenants/azure-commands.ts';

const KEY_VERSION = /^[0-9a-f]{32}$/;

/**
 * Returns the facts of a key in the vault's answer.
 * @throws ServiceError `tenant-misconfigured`, reason `key-type`, for a key that cannot wrap at all
 */
export function factsOf(key: KeyVaultKey, asked: KekRef, tenantId: string): KekFacts {
  const { properties, key: jwk = {}, keyType = '' } = key;
  const keyVersion = properties.version ?? '';
  if (!KEY_VERSION.test(keyVersion)) throw new TypeError('the vault named no version of the key');
  const kek = { ...asked, keyVersion };
  const type = typeOf(keyType);
  if (type === undefined) throw cannotWrap(kek, keyType, tenantId);
  const { n, e } = jwk;
  if (type === 'RSA' && (n === undefined || e === undefined)) throw new TypeError('the vault gave no public key');
  return {
    kek,
    type,
    isHsm: keyType.endsWith('-HSM'),
    bits: n && bitsOf(n),
    publicExponent: e && Number(BigInt(`0x${hex(e)}`)),
    publicKey: n && e && { kty: 'RSA', n: base64Url(n), e: base64Url(e) },
    enabled: properties.enabled !== false,
    notBefore: properties.notBefore?.getTime(),
    expires: properties.expiresOn?.getTime(),
    operations: key.keyOperations ?? [],
    recoveryLevel: properties.recoveryLevel,
    tags: properties.tags ?? {},
  };
}

function typeOf(keyType: string): KekType | undefined {
  if (keyType === 'RSA' || keyType === 'RSA-HSM') return 'RSA';
  return keyType === 'oct' || keyType === 'oct-HSM' ? 'oct' : undefined;
}

const cannotWrap = (kek: KekRef, keyType: string, tenantId: string): ServiceError =>
  new ServiceError('tenant-misconfigured', `Key ${kidOf(kek)} is ${article(keyType)} key, which cannot wrap`, {
    reason: 'key-type',
    scope: 'key',
    fix: replaceKey(tenantId, kek),
  });

const article = (keyType: string): string => (/^EC(-HSM)?$/.test(keyType) ? `an ${keyType}` : 'no RSA or oct');

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const base64Url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');
const bitsOf = (modulus: Uint8Array): number => BigInt(`0x${hex(modulus)}`).toString(2).length;
