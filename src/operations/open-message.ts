import { ServiceError, type VaultCallIds } from '../errors.ts';
import { type CompactMessage, JWE_TYPES, type LeafUse, openCompact } from '../format/compact.ts';
import { type Jwe, openJwe } from '../format/jwe.ts';
import { malformed } from '../format/jwe-header.ts';
import type { KekRef } from '../format/kek-ref.ts';
import { isCompactMessage, type Message, parseMessage } from '../format/message.ts';
import { isDefaultAlgorithm } from '../format/wrap-algorithms.ts';
import type { DataKeys, OpeningUse } from '../keyring/data-keys.ts';
import { assertAllowed, type PolicedUse } from '../keyring/policy/assert-allowed.ts';
import { type Soon, whenReady } from '../lib/when-ready.ts';
import type { CountKeyUse } from '../tenants/key-usage.ts';
import type { RegisteredKey, Tenant } from '../tenants/record.ts';
import { dataKeyKek } from './registered-key.ts';

export interface OpenDeps {
  readonly dataKeys: DataKeys;
  readonly countKeyUse: CountKeyUse;
}

/** Has what the audit record of a batch needs too, so that an item has one object. */
export interface OpenedMessage {
  readonly plaintext: Buffer;
  readonly keyId: string;
  readonly vaultCall: VaultCallIds | undefined;
  /** Size of the plaintext. */
  readonly bytes: number;
}

/** A ciphertext as the caller sent it, or already parsed. */
export type Ciphertext = string | Message;

/**
 * Opens a tenant's message of either form, if the customer's policy on the key allows this use.
 * @throws ServiceError
 */
export function openMessage(
  deps: OpenDeps,
  tenant: Tenant,
  ciphertext: Ciphertext,
  about: PolicedUse,
  use: LeafUse = 'message',
): Soon<OpenedMessage> {
  const message = messageOf(ciphertext, use);
  if (isCompactMessage(message)) return openCompactMessage(deps, tenant, message, about, use);
  const jwe = message;
  return whenReady(dataKeyOf(deps, tenant, jwe), ({ dataKey, vaultCall }) => {
    assertAllowed(vaultCall, about);
    const plaintext = openJwe(dataKey, jwe, about.context);
    deps.countKeyUse(tenant.id, dataKey.kid, 'opened');
    return { plaintext, keyId: dataKey.kid, vaultCall, bytes: plaintext.length };
  });
}

function openCompactMessage(
  deps: OpenDeps,
  tenant: Tenant,
  message: CompactMessage,
  about: PolicedUse,
  use: LeafUse,
): Soon<OpenedMessage> {
  const opening = deps.dataKeys.forCompactOpening(tenant, message, use, about.context);
  return whenReady(opening, ({ contentKey, keyId, vaultCall }) => {
    try {
      assertAllowed(vaultCall, about);
      const plaintext = openCompact(contentKey, message);
      deps.countKeyUse(tenant.id, keyId, 'opened');
      return { plaintext, keyId, vaultCall, bytes: plaintext.length };
    } finally {
      contentKey.release();
    }
  });
}

/**
 * Returns a function that proves access to a message's key again, and that its policy still allows
 * this use. It rejects as the use would.
 * @throws ServiceError `malformed-ciphertext`
 */
export function accessProver(
  { dataKeys }: Pick<OpenDeps, 'dataKeys'>,
  ciphertext: Ciphertext,
  about: PolicedUse,
  use: LeafUse,
): (tenant: Tenant) => Promise<void> {
  const message = messageOf(ciphertext, use);
  if (isCompactMessage(message)) {
    return async (tenant) => {
      const { contentKey, vaultCall } = await dataKeys.forCompactOpening(tenant, message, use, undefined);
      contentKey.release();
      assertAllowed(vaultCall, about);
    };
  }
  return async (tenant) => {
    assertAllowed((await dataKeyOf({ dataKeys }, tenant, message)).vaultCall, about);
  };
}

/**
 * Returns the parsed message.
 * @throws ServiceError `malformed-ciphertext`
 */
function messageOf(ciphertext: Ciphertext, use: LeafUse): Message {
  if (typeof ciphertext === 'string') return parseMessage(ciphertext, use);
  const isOfUse = isCompactMessage(ciphertext) || ciphertext.header.typ === JWE_TYPES[use];
  if (!isOfUse) throw new Error('a message that was parsed for another use');
  return ciphertext;
}

/**
 * Returns the data key of a parsed message, with access to it proven within the revocation bound.
 * @throws ServiceError
 */
const dataKeyOf = ({ dataKeys }: Pick<OpenDeps, 'dataKeys'>, tenant: Tenant, jwe: Jwe): Soon<OpeningUse> =>
  dataKeys.forOpening(tenant, jwe, kekOf);

/**
 * Returns the registered key that matches the header. The service calls the registered vault, never
 * the one in the ciphertext.
 */
export function kekOf(tenant: Tenant, jwe: Jwe): KekRef {
  if (jwe.header.tid !== tenant.id) {
    throw new ServiceError('wrong-tenant', 'The message belongs to another tenant', {
      errors: [{ pointer: '/ciphertext', detail: "is not one of this tenant's" }],
    });
  }
  const { key, kek } = dataKeyKek(tenant, jwe.kek);
  if (key && !isAlgorithmOf(key, jwe)) throw malformed('its alg is not the one of its key');
  return kek;
}

/**
 * Returns whether the header's algorithm is the record's, or the default of some key type if the
 * record names none.
 */
function isAlgorithmOf(key: RegisteredKey, { header: { alg } }: Jwe): boolean {
  return key.algorithm === undefined ? isDefaultAlgorithm(alg) : alg === key.algorithm;
}
