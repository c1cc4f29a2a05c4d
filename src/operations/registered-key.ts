import { ServiceError } from '../errors.ts';
import type { KekRef } from '../format/kek-ref.ts';
import { isSameKey, type RegisteredKey, type Tenant } from '../tenants/record.ts';

/**
 * Returns the tenant's key with this alias. `pointer` is the alias's place in the request.
 * @throws ServiceError `unknown-key-alias`, `key-use`
 */
export function keyByAlias(tenant: Tenant, alias: string, use: RegisteredKey['use'], pointer = '/key'): RegisteredKey {
  const key = Object.hasOwn(tenant.keys, alias) ? tenant.keys[alias] : undefined;
  if (!key) {
    throw new ServiceError('unknown-key-alias', 'The tenant has no key with this alias', {
      errors: [{ pointer, detail: 'is not an alias of its keys' }],
    });
  }
  if (key.use !== use) throw wrongUse(pointer, use);
  return key;
}

/**
 * Returns the data key with this alias, or the default one.
 * @throws ServiceError `unknown-key-alias`, `key-use`
 */
export const dataKeyByAlias = (tenant: Tenant, alias: string | undefined, pointer = '/key'): RegisteredKey =>
  keyByAlias(tenant, alias ?? tenant.defaultKey, 'data', pointer);

/** The target of a rewrap, besides its tenant. */
export interface TargetKey {
  /** Alias; default: the tenant's default key. */
  readonly key?: string | undefined;
  /** Default: the form of that key. */
  readonly form?: RegisteredKey['form'] | undefined;
}

/**
 * Returns the key that a rewrap seals under. A message of a compact key may be made self-contained;
 * the other way needs the record, which decides that the database is necessary to decrypt.
 * @throws ServiceError `unknown-key-alias`, `key-use`, `malformed-request`
 */
export function targetKey(tenant: Tenant, { key: alias, form }: TargetKey, encryptionContext: unknown): RegisteredKey {
  const key = dataKeyFor(tenant, alias, encryptionContext, '/to/key');
  if (form === undefined || form === (key.form ?? 'self-contained')) return key;
  if (form === 'self-contained') return { ...key, form };
  throw new ServiceError('malformed-request', 'Only a key whose record says so encrypts compact messages', {
    errors: [{ pointer: '/to/form', detail: 'is not the form of the target key' }],
  });
}

/**
 * Returns the data key with this alias. Without one, the record's rules pick it by the context; the
 * first that matches counts.
 * @throws ServiceError `unknown-key-alias`, `key-use`
 */
export function dataKeyFor(
  tenant: Tenant,
  alias: string | undefined,
  encryptionContext: unknown,
  pointer = '/key',
): RegisteredKey {
  const rule = alias === undefined ? tenant.keyRules?.find(({ when }) => isMatch(when, encryptionContext)) : undefined;
  return dataKeyByAlias(tenant, alias ?? rule?.key, pointer);
}

function isMatch(when: Readonly<Record<string, string>>, encryptionContext: unknown): boolean {
  if (typeof encryptionContext !== 'object' || encryptionContext === null) return false;
  const given = new Map(Object.entries(encryptionContext));
  return Object.entries(when).every(([name, value]) => given.get(name) === value);
}

/**
 * Returns the current or retired data key that a message's header names, whatever its version.
 * @throws ServiceError `unknown-key`
 */
export function dataKeyKek(
  tenant: Tenant,
  named: KekRef,
): { readonly kek: KekRef; readonly key: RegisteredKey | undefined } {
  const key = Object.values(tenant.keys).find((candidate) => candidate.use === 'data' && isSameKey(candidate, named));
  const registered = key ?? tenant.retiredKeys.find((candidate) => isSameKey(candidate, named));
  if (!registered) throw unknownKey('/ciphertext');
  return { key, kek: { vaultUrl: registered.vaultUrl, name: registered.name, keyVersion: named.keyVersion } };
}

/**
 * Returns the key for `wrap` that a key id names.
 * @throws ServiceError `unknown-key`, `key-use`
 */
export function wrapKeyKek(tenant: Tenant, named: KekRef): { readonly kek: KekRef; readonly key: RegisteredKey } {
  const key = Object.values(tenant.keys).find((candidate) => isSameKey(candidate, named));
  if (key?.use === 'data' || tenant.retiredKeys.some((candidate) => isSameKey(candidate, named))) {
    throw wrongUse('/keyId', 'wrap');
  }
  if (!key) throw unknownKey('/keyId');
  return { key, kek: { vaultUrl: key.vaultUrl, name: key.name, keyVersion: named.keyVersion } };
}

function unknownKey(pointer: string): ServiceError {
  return new ServiceError('unknown-key', "The key is not one of the tenant's keys, current or retired", {
    errors: [{ pointer, detail: 'is not a registered key of the tenant' }],
  });
}

/** Returns the refusal. Without it, unwrap would return the data key of any stored message. */
function wrongUse(pointer: string, use: RegisteredKey['use']): ServiceError {
  const detail = use === 'wrap' ? 'is not a key with use: wrap' : 'is not a key with use: data';
  return new ServiceError('key-use', 'A key is for encrypt and decrypt, or for wrap and unwrap', {
    errors: [{ pointer, detail }],
  });
}
