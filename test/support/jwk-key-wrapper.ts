import {
  constants,
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  type webcrypto,
} from 'node:crypto';

import { ServiceError, type VaultCallIds } from '../../src/errors.ts';
import { type KekRef, kidOf, parseKid } from '../../src/format/kek-ref.ts';
import type { WrapAlgorithm } from '../../src/format/wrap-algorithms.ts';

import type { KekFacts, KeyWrapper, VaultResult } from '../../src/keyring/key-wrapper.ts';
import type { RegisteredKey, Tenant } from '../../src/tenants/record.ts';

type Operation = 'readKey' | 'wrapKey' | 'unwrapKey';

interface VaultCall {
  readonly operation: Operation;
  readonly tenantId: string;
  /** As requested; without a version for the newest. */
  readonly kid: string;
}

/** Answers that wait until the test releases them. */
interface Gate {
  /** The number of waiting answers. */
  readonly waiting: number;
  /** Lets later calls pass; waiting ones continue to wait. */
  letLaterPass(): void;
  open(): void;
}

interface Key {
  readonly facts: KekFacts;
  readonly secret: KeyObject;
  readonly publicKey: KeyObject | undefined;
}

const RFC_3394_IV = Buffer.from('a6a6a6a6a6a6a6a6', 'hex');
const WRAP_CIPHER = 'id-aes256-wrap';

/**
 * A vault in memory, of JWKs by key id. By itself it refuses only missing keys and bytes that its
 * keys never wrapped.
 */
export class JwkKeyWrapper implements KeyWrapper {
  readonly #keys = new Map<string, Key>();
  readonly #newest = new Map<string, string>();
  readonly #gates = new Map<Operation, { answer: PromiseWithResolvers<void>; waiting: number }>();
  readonly #calls: VaultCall[] = [];
  #requests = 0;
  /** Every buffer that has held a data key. */
  readonly keyBuffers: Uint8Array[] = [];
  /**
   * Throws the vault's failure when a call arrives; an answer that is held later was decided then.
   */
  answer: (call: VaultCall) => void = () => {};

  /** Adds a version of a key, which becomes its newest. */
  add(kid: string, jwk: webcrypto.JsonWebKey): void {
    const kek = parseKid(kid);
    if (!kek) throw new TypeError(`${kid} is no key id`);
    const id = idOf(kid);
    this.#keys.set(id, jwk.kty === 'RSA' ? rsaKey(kek, jwk) : octKey(kek, jwk));
    this.#newest.set(withoutVersion(id), id);
  }

  change(kid: string, facts: Partial<KekFacts>): void {
    const key = this.#find(kid);
    this.#keys.set(idOf(kid), { ...key, facts: { ...key.facts, ...facts } });
  }

  makeNewest(kid: string): void {
    this.#newest.set(withoutVersion(idOf(kid)), idOf(kid));
  }

  /** Returns the calls since the last query, in order. */
  takeCalls(): readonly VaultCall[] {
    return this.#calls.splice(0);
  }

  /** Returns the operations since the last query, in order. */
  takeOperations(): readonly Operation[] {
    return this.takeCalls().map(({ operation }) => operation);
  }

  /** Holds the answers to all calls of this operation from now on, until the gate is opened. */
  hold(operation: Operation): Gate {
    const gate = { answer: Promise.withResolvers<void>(), waiting: 0 };
    this.#gates.set(operation, gate);
    return {
      get waiting() {
        return gate.waiting;
      },
      letLaterPass: () => void this.#gates.delete(operation),
      open: () => {
        this.#gates.delete(operation);
        gate.answer.resolve();
      },
    };
  }

  async readKey(tenant: Tenant, key: Pick<RegisteredKey, 'vaultUrl' | 'name' | 'keyVersion'>): Promise<KekFacts> {
    const asked = `${key.vaultUrl}/keys/${key.name}`;
    const kid = key.keyVersion === undefined ? asked : `${asked}/${key.keyVersion}`;
    await this.#call('readKey', tenant, kid);
    const { facts } = this.#find(key.keyVersion === undefined ? (this.#newest.get(idOf(asked)) ?? asked) : kid);
    return { ...facts, kek: { vaultUrl: key.vaultUrl, name: key.name, keyVersion: facts.kek.keyVersion } };
  }

  async wrapKey(tenant: Tenant, kek: KekRef, algorithm: WrapAlgorithm, bytes: Uint8Array): Promise<VaultResult> {
    this.keyBuffers.push(bytes);
    const vaultCall = await this.#call('wrapKey', tenant, kidOf(kek));
    const { secret, publicKey } = this.#find(kidOf(kek));
    const wrapped = publicKey ? publicEncrypt(oaep(publicKey, algorithm), bytes) : aesWrap(secret, bytes);
    return { bytes: wrapped, vaultCall };
  }

  async unwrapKey(tenant: Tenant, kek: KekRef, algorithm: WrapAlgorithm, wrapped: Uint8Array): Promise<VaultResult> {
    const vaultCall = await this.#call('unwrapKey', tenant, kidOf(kek));
    const { secret, publicKey } = this.#find(kidOf(kek));
    try {
      const bytes = publicKey ? privateDecrypt(oaep(secret, algorithm), wrapped) : aesUnwrap(secret, wrapped);
      this.keyBuffers.push(bytes);
      return { bytes, vaultCall };
    } catch (cause) {
      throw new ServiceError('undecryptable', 'The ciphertext cannot be decrypted', { cause });
    }
  }

  /** Returns the ids of the call, once its answer is released. */
  async #call(operation: Operation, { id: tenantId }: Tenant, kid: string): Promise<VaultCallIds> {
    const call: VaultCall = { operation, tenantId, kid };
    this.#calls.push(call);
    this.#requests += 1;
    const vaultCall = {
      vaultRequestId: `${operation} ${this.#requests}`,
      vaultClientRequestId: `client ${this.#requests}`,
    };
    const answered = Promise.try(this.answer, call);
    answered.catch(() => {}); // awaited below, once the gate is open
    const gate = this.#gates.get(operation);
    if (gate) {
      gate.waiting += 1;
      await gate.answer.promise;
    }
    await answered;
    return vaultCall;
  }

  #find(kid: string): Key {
    const key = this.#keys.get(idOf(kid));
    if (!key) throw refusal('key-absent');
    return key;
  }
}

/** Returns a vault's definite refusal of one key version. */
export const refusal = (reason: string): ServiceError =>
  new ServiceError('access-revoked', `The vault refuses: ${reason}`, { reason, scope: 'key' });

/** Returns Entra's refusal of our sign-in to the tenant. */
export const signInRefusal = (): ServiceError =>
  new ServiceError('access-revoked', 'The app is disabled', { reason: 'app-disabled', scope: 'tenant' });

/** Returns an outage, which says nothing about access. */
export const outage = (): ServiceError => new ServiceError('vault-unavailable', 'The vault is down', { retryAfter: 5 });

/** Returns the key's id; Key Vault's names ignore case. */
const idOf = (kid: string): string => kid.toLowerCase();
const withoutVersion = (id: string): string => id.slice(0, id.lastIndexOf('/'));

const USABLE = { enabled: true, notBefore: undefined, expires: undefined, operations: ['wrapKey', 'unwrapKey'] };

function rsaKey(kek: KekRef, jwk: webcrypto.JsonWebKey): Key {
  const secret = createPrivateKey({ key: jwk, format: 'jwk' });
  const publicKey = createPublicKey(secret);
  const { n = '', e = '' } = jwk;
  const bits = secret.asymmetricKeyDetails?.modulusLength;
  const facts: KekFacts = {
    ...USABLE,
    kek,
    type: 'RSA',
    isHsm: false,
    bits,
    publicExponent: 65_537,
    publicKey: { kty: 'RSA', n, e },
  };
  return { facts, secret, publicKey };
}

function octKey(kek: KekRef, { k = '' }: webcrypto.JsonWebKey): Key {
  const facts: KekFacts = {
    ...USABLE,
    kek,
    type: 'oct',
    isHsm: true,
    bits: undefined,
    publicExponent: undefined,
    publicKey: undefined,
  };
  return { facts, secret: createSecretKey(k, 'base64url'), publicKey: undefined };
}

function oaep(key: KeyObject, algorithm: WrapAlgorithm) {
  const oaepHash = algorithm === 'RSA-OAEP' ? 'sha1' : 'sha256';
  return { key, oaepHash, padding: constants.RSA_PKCS1_OAEP_PADDING };
}

function aesWrap(key: KeyObject, bytes: Uint8Array): Buffer {
  const cipher = createCipheriv(WRAP_CIPHER, key, RFC_3394_IV);
  return Buffer.concat([cipher.update(bytes), cipher.final()]);
}

function aesUnwrap(key: KeyObject, wrapped: Uint8Array): Buffer {
  const decipher = createDecipheriv(WRAP_CIPHER, key, RFC_3394_IV);
  return Buffer.concat([decipher.update(wrapped), decipher.final()]);
}
