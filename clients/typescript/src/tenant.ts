import type { Access } from './access.ts';
import { fieldMembers, itemMembers, textMember } from './answers.ts';
import { base64Of, bytesOf, type Data, fromBase64 } from './bytes.ts';
import { Coalescer } from './coalescer.ts';
import { checkContext, contextMember, type EncryptionContext } from './context.ts';
import { checkTimeout, Deadline } from './deadline.ts';
import type { components } from './generated/api.ts';
import { IndexClient } from './index-client.ts';
import { kindOf } from './kind-of.ts';
import type { LocalTenant } from './local/local-tenant.ts';
import { checkNames } from './options.ts';
import { Plaintext } from './plaintext.ts';
import {
  type Decrypted,
  type Encrypted,
  type FieldChoice,
  fromBase64Fields,
  inBase64,
  openedFields,
  plainFields,
  sealedFields,
  withFields,
} from './record.ts';
import { type BytePair, throughService } from './streams.ts';
import type { TenantParts } from './tenant-parts.ts';

type Schemas = components['schemas'];

/** Options of every call. */
export interface CallOptions {
  readonly context?: EncryptionContext;
  /** Cancels this call, and no other that travels with it. */
  readonly signal?: AbortSignal;
  /** Milliseconds until `timed-out`, tries again included; default the client's. */
  readonly timeoutMs?: number;
  /** On whose behalf and why; default the tenant's. */
  readonly access?: Access;
}

/** Options of a call that seals. */
export interface SealOptions extends CallOptions {
  /** Alias of one of the tenant's data keys; default the tenant's default key. */
  readonly key?: string;
}

/** Options of a call that seals anew. */
export interface RewrapOptions extends CallOptions {
  /** Where to: another tenant, key or form. Default: the newest version of the tenant's default key. */
  readonly to?: Schemas['RewrapTarget'];
}

interface Results {
  readonly encrypt: Schemas['EncryptResult'];
  readonly decrypt: Schemas['DecryptResult'];
  readonly rewrap: Schemas['EncryptResult'];
  readonly 'documents/encrypt': Schemas['EncryptDocumentResult'];
  readonly 'documents/decrypt': Schemas['DecryptDocumentResult'];
  readonly 'documents/rewrap': Schemas['EncryptDocumentResult'];
}

interface Items {
  readonly encrypt: Schemas['EncryptRequest'];
  readonly decrypt: Schemas['DecryptRequest'];
  readonly rewrap: Schemas['RewrapRequest'];
  readonly 'documents/encrypt': Schemas['EncryptDocumentRequest'];
  readonly 'documents/decrypt': Schemas['DecryptDocumentRequest'];
  readonly 'documents/rewrap': Schemas['RewrapDocumentRequest'];
}

type Operation = keyof Items;

const OPTIONS = new Set(['context', 'key', 'to', 'only', 'bytes', 'signal', 'timeoutMs', 'access']);
const STREAM_OPTIONS = new Set(['context', 'key', 'signal', 'access']);

const FIELD_BYTES = 64;

/** Batches are not made smaller for good: below, long contexts count more than values. */
const LEAST_BATCH_BYTES = 16_384;

/** One tenant's data. Calls of one turn of the event loop travel to the service as one batch. */
export class TenantClient {
  readonly id: string;
  readonly #parts: TenantParts;
  readonly #access: Access | undefined;

  constructor(parts: TenantParts, id: string, access: Access | undefined) {
    this.#parts = parts;
    this.id = id;
    this.#access = access;
  }

  /**
   * Returns the ciphertext of text (as UTF-8) or bytes: store it unchanged.
   * @throws VaultspanError · TypeError for a value that is neither text nor bytes
   */
  async encrypt(data: Data, options: SealOptions = {}): Promise<string> {
    const bytes = bytesOf(data, 'data');
    const local = this.#locally(options, (tenant) => tenant.seal(bytes, options.context, options.key));
    const sealed = local instanceof Promise ? await local : local;
    if (sealed !== undefined) return sealed;
    const item = { plaintext: base64Of(bytes), ...contextMember(options.context), ...keyMember(options.key) };
    return textMember(await this.#call('encrypt', item, bytes.length, options), 'ciphertext');
  }

  /**
   * Returns what a ciphertext holds.
   * @throws VaultspanError such as `undecryptable`, `context-mismatch`, `access-revoked`
   */
  async decrypt(ciphertext: string, options: CallOptions = {}): Promise<Plaintext> {
    assertCiphertext(ciphertext);
    const local = this.#locally(options, (tenant) => tenant.open(ciphertext, options.context));
    const opened = local instanceof Promise ? await local : local;
    if (opened !== undefined) return new Plaintext(opened);
    const item = { ciphertext, ...contextMember(options.context) };
    const answered = await this.#call('decrypt', item, ciphertext.length, options);
    return new Plaintext(fromBase64(textMember(answered, 'plaintext')));
  }

  /** Returns the ciphertext sealed anew, under the newest key version or for another key or tenant. */
  async rewrap(ciphertext: string, options: RewrapOptions = {}): Promise<string> {
    assertCiphertext(ciphertext);
    const item = { ciphertext, ...contextMember(options.context), ...targetMember(options.to) };
    return textMember(await this.#call('rewrap', item, ciphertext.length, options), 'ciphertext');
  }

  /**
   * Returns the record with ciphertexts in place of its fields, each bound to its name and to the context: fields can't
   * be swapped. Null and undefined stay. All or nothing.
   * @throws VaultspanError · TypeError for a field that is neither text nor bytes
   */
  async encryptFields<R extends object, K extends keyof R = keyof R>(
    record: R,
    options: SealOptions & FieldChoice<K> = {},
  ): Promise<Encrypted<R, K>> {
    const fields = plainFields(record, options.only);
    if (fields.size === 0) return withFields(record, {});
    const { context, key } = options;
    const local = this.#locally(options, (tenant) => tenant.sealFields(fields, context, key));
    const sealed = local instanceof Promise ? await local : local;
    if (sealed !== undefined) return withFields(record, sealed);
    const item = { fields: inBase64(fields), ...contextMember(context), ...keyMember(key) };
    const answered = await this.#call('documents/encrypt', item, sizeOf(fields), options);
    return withFields(record, fieldMembers(answered, fields.keys()));
  }

  /**
   * Returns the record with text in place of its ciphertexts, or bytes for the fields that `bytes` names.
   * @throws VaultspanError · TypeError for a field that is no ciphertext, or no UTF-8 text
   */
  async decryptFields<R extends object, K extends keyof R = keyof R, B extends keyof R = never>(
    record: R,
    options: CallOptions & FieldChoice<K> & { readonly bytes?: readonly B[] } = {},
  ): Promise<Decrypted<R, K, B>> {
    const fields = sealedFields(record, options.only);
    if (fields.size === 0) return withFields(record, {});
    const { context, bytes } = options;
    const local = this.#locally(options, (tenant) => tenant.openFields(fields, context));
    const opened = local instanceof Promise ? await local : local;
    if (opened !== undefined) return withFields(record, openedFields(opened, bytes));
    const item = { fields: Object.fromEntries(fields), ...contextMember(context) };
    const answered = await this.#call('documents/decrypt', item, sizeOf(fields), options);
    return withFields(record, openedFields(fromBase64Fields(fieldMembers(answered, fields.keys())), bytes));
  }

  /** Returns the record with its ciphertexts sealed anew, as `rewrap` does. */
  async rewrapFields<R extends object, K extends keyof R = keyof R>(
    record: R,
    options: RewrapOptions & FieldChoice<K> = {},
  ): Promise<R> {
    const fields = sealedFields(record, options.only);
    if (fields.size === 0) return withFields(record, {});
    const item = { fields: Object.fromEntries(fields), ...contextMember(options.context), ...targetMember(options.to) };
    const answered = await this.#call('documents/rewrap', item, sizeOf(fields), options);
    return withFields(record, fieldMembers(answered, fields.keys()));
  }

  /** Returns the look-ups of one of the tenant's indexes. */
  index(name: string): IndexClient {
    return new IndexClient(this.#parts, this.id, name, this.#access);
  }

  /** Returns a pair of streams that encrypts what is written, any size, in constant memory. */
  encryptStream(options: Omit<SealOptions, 'timeoutMs'> = {}): BytePair {
    return this.#stream('encrypt', options);
  }

  /** Returns a pair of streams that decrypts what is written. What it gave counts only when its readable has ended. */
  decryptStream(options: Omit<CallOptions, 'timeoutMs'> = {}): BytePair {
    return this.#stream('decrypt', options);
  }

  #stream(operation: 'encrypt' | 'decrypt', options: SealOptions): BytePair {
    this.#parts.assertOpen();
    checkNames(options, STREAM_OPTIONS);
    const { context, key, signal, access = this.#access } = options;
    return throughService(this.#parts.transport, {
      operation,
      tenantId: this.id,
      context,
      key,
      signal,
      access,
    });
  }

  /** Returns what this process does by itself, at once or soon; undefined where the service must. */
  #locally<T>(
    options: CallOptions,
    work: (tenant: LocalTenant) => T | Promise<T | undefined>,
  ): T | Promise<T | undefined> | undefined {
    const { timeoutMs = this.#parts.timeoutMs, signal, access = this.#access } = options;
    const tenant = this.#parts.local?.tenant(this.id, access);
    if (tenant === undefined) return undefined;
    this.#parts.assertOpen();
    checkNames(options, OPTIONS);
    signal?.throwIfAborted();
    checkTimeout(timeoutMs);
    checkContext(options.context);
    const done = work(tenant);
    if (!(done instanceof Promise)) return done;
    return this.#parts.track(async () => {
      const deadline = new Deadline(timeoutMs, signal);
      try {
        return await deadline.bound(done);
      } finally {
        deadline.release();
      }
    });
  }

  #call<O extends Operation>(operation: O, item: Items[O], bytes: number, options: CallOptions): Promise<Results[O]> {
    checkNames(options, OPTIONS);
    const { timeoutMs = this.#parts.timeoutMs, signal, access = this.#access } = options;
    return this.#parts.track(async () => {
      const deadline = new Deadline(timeoutMs, signal);
      try {
        return await this.#lane(operation, access).add(item, bytes, deadline);
      } finally {
        deadline.release();
      }
    });
  }

  /** Calls travel together where tenant, operation and access are the same: the access is one header for all items. */
  #lane<O extends Operation>(operation: O, access: Access | undefined): Coalescer<Items[O], Results[O]> {
    const { lanes, batch } = this.#parts;
    const name = `${this.id} ${operation} ${access === undefined ? '' : JSON.stringify(access)}`;
    const gathering = lanes.get(name);
    if (gathering !== undefined) return gathering as unknown as Coalescer<Items[O], Results[O]>;
    const lane = new Coalescer<Items[O], Results[O]>({
      ...batch,
      send: (items, signal) => this.#send(operation, access, items, signal),
      onSent: () => lanes.delete(name),
      onTooLarge: (bytes) => {
        batch.maxBytes = Math.min(batch.maxBytes, Math.max(LEAST_BATCH_BYTES, Math.floor(bytes / 2)));
      },
    });
    lanes.set(name, lane as unknown as Coalescer<never, never>);
    return lane;
  }

  async #send<O extends Operation>(
    operation: O,
    access: Access | undefined,
    items: readonly Items[O][],
    signal: AbortSignal,
  ): Promise<readonly (Results[O] | { error: unknown })[]> {
    const call = { tenantId: this.id, access, signal, items: items.length };
    if (items.length === 1) return [await this.#parts.transport.json({ ...call, path: operation, body: items[0] })];
    const answer = await this.#parts.transport.json<unknown>({ ...call, path: `batch/${operation}`, body: { items } });
    return itemMembers(answer, items.length) as readonly Results[O][];
  }
}

function keyMember(key: string | undefined): { key?: string } {
  return key === undefined ? {} : { key };
}

function targetMember(to: Schemas['RewrapTarget'] | undefined): { to?: Schemas['RewrapTarget'] } {
  return to === undefined ? {} : { to };
}

/** Counts names, and the JSON of each field: the service bounds the values and the bytes of a body too. */
function sizeOf(fields: ReadonlyMap<string, { readonly length: number }>): number {
  let size = 0;
  for (const [name, value] of fields) size += value.length + name.length + FIELD_BYTES;
  return size;
}

/** @throws TypeError for what is no text, such as a column's NULL */
function assertCiphertext(value: unknown): asserts value is string {
  if (typeof value !== 'string') throw new TypeError(`ciphertext is ${kindOf(value)}: give a string`);
}
