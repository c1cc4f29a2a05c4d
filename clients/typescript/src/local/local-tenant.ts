import type { EncryptionContext } from '../context.ts';
import { VaultspanError } from '../errors.ts';
import { canonicalContext, fieldContexts } from './canonical-context.ts';
import { type Leaf, leasedHeader } from './compact.ts';
import { INSTEAD, type LeasedKeys, type SealingLease } from './leased-keys.ts';
import type { Usage } from './usage.ts';

export interface LocalTenantParts {
  readonly keys: LeasedKeys;
  readonly usage: Usage;
  /** Whether calls that can't be done here fail, rather than go by the service. */
  readonly isRequired: boolean;
}

/** What a call needs when its keys are at hand, else a promise of it; undefined says: ask the service. */
type Now<T> = T | Promise<T | undefined>;

async function allOf(opened: readonly [string, Now<Uint8Array>][]): Promise<Record<string, Uint8Array> | undefined> {
  const values = await Promise.all(opened.map(async ([field, value]) => [field, await value] as const));
  if (values.some(([, value]) => value === undefined)) return undefined;
  return Object.fromEntries(values) as Record<string, Uint8Array>;
}

/** One tenant's data, sealed and opened in this process. */
export class LocalTenant {
  readonly #parts: LocalTenantParts;

  constructor(parts: LocalTenantParts) {
    this.#parts = parts;
  }

  seal(data: Uint8Array, context: EncryptionContext | undefined, alias: string | undefined): Now<string> {
    return this.#withLease(alias, 1, data.length, (lease) =>
      lease.leaf.seal(data, canonicalContext(context, lease.requiredContext)),
    );
  }

  sealFields(
    fields: ReadonlyMap<string, Uint8Array>,
    context: EncryptionContext | undefined,
    alias: string | undefined,
  ): Now<Record<string, string>> {
    let bytes = 0;
    for (const value of fields.values()) bytes += value.length;
    return this.#withLease(alias, fields.size, bytes, (lease) => {
      const contextOf = fieldContexts(context, lease.requiredContext, fields.size);
      const sealed: [string, string][] = [];
      for (const [name, value] of fields) sealed.push([name, lease.leaf.seal(value, contextOf(name))]);
      return Object.fromEntries(sealed);
    });
  }

  open(ciphertext: string, context: EncryptionContext | undefined): Now<Uint8Array> {
    const canonical = canonicalContext(context, undefined);
    const proof = { ciphertext, ...(context === undefined ? {} : { encryptionContext: context }) };
    return this.#withLeaf(ciphertext, proof, (leaf) => this.#opened(leaf, ciphertext, canonical));
  }

  openFields(fields: ReadonlyMap<string, string>, context: EncryptionContext | undefined): Now<Record<string, Uint8Array>> {
    const contextOf = fieldContexts(context, undefined, fields.size);
    const opened: [string, Now<Uint8Array>][] = [];
    let isWaiting = false;
    for (const [field, ciphertext] of fields) {
      const proof = { ciphertext, field, ...(context === undefined ? {} : { encryptionContext: context }) };
      const value = this.#settled(() =>
        this.#withLeaf(ciphertext, proof, (leaf) => this.#opened(leaf, ciphertext, contextOf(field))),
      );
      isWaiting ||= value instanceof Promise;
      opened.push([field, value]);
    }
    return isWaiting ? allOf(opened) : (Object.fromEntries(opened) as Record<string, Uint8Array>);
  }

  /** Returns what a work does, its failure as a promise: those of other fields are waited for. */
  #settled<T>(work: () => Now<T>): Now<T> {
    try {
      return work();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #opened(leaf: Leaf, ciphertext: string, context: string): Uint8Array {
    const plaintext = leaf.open(ciphertext, context);
    this.#parts.usage.countOpened(leaf.kid, plaintext.length);
    return plaintext;
  }

  #withLease<T>(alias: string | undefined, messages: number, bytes: number, use: (lease: SealingLease) => T): Now<T> {
    let lease: SealingLease | Promise<SealingLease>;
    try {
      lease = this.#parts.keys.sealing(alias, messages, bytes);
    } catch (error) {
      return this.#instead(error);
    }
    const counted = (given: SealingLease) => {
      try {
        return use(given);
      } catch (error) {
        this.#parts.usage.countSealed(given.use, -messages, -bytes);
        throw error;
      }
    };
    if (!(lease instanceof Promise)) return counted(lease);
    return lease.then(
      counted,
      (error: unknown) => this.#instead<T>(error),
    );
  }

  #withLeaf<T>(ciphertext: string, proof: Parameters<LeasedKeys['opening']>[1], use: (leaf: Leaf) => T): Now<T> {
    const header = leasedHeader(ciphertext);
    if (header === undefined) {
      return this.#instead(
        new VaultspanError({
          code: 'local-refused',
          message: `local-refused: the service sealed this value itself, so only the service opens it. ${INSTEAD}`,
        }),
      );
    }
    const known = this.#parts.keys.known(header);
    if (known !== undefined) return use(known);
    return this.#parts.keys.opening(header, proof).then(use, (error: unknown) => this.#instead<T>(error));
  }

  /** The service may do what this process can't, and gives the error where it can't either. */
  async #instead<T>(error: unknown): Promise<T | undefined> {
    if (this.#parts.isRequired) throw error;
    return undefined;
  }
}
