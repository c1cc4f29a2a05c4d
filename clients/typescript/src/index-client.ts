import type { Access } from './access.ts';
import { unexpectedAnswer } from './answers.ts';
import { base64Of, bytesOf, type Data, fromBase64 } from './bytes.ts';
import { contextMember, type EncryptionContext } from './context.ts';
import { Deadline } from './deadline.ts';
import type { components } from './generated/api.ts';
import { checkNames } from './options.ts';
import { Plaintext } from './plaintext.ts';
import { retrying } from './retry.ts';
import type { TenantParts } from './tenant-parts.ts';

type Schemas = components['schemas'];

/** Tokens of values, in their order: `write` is stored beside new rows, and a row may have any of `search`. */
export type IndexTokens = Schemas['IndexTokensResult'];

/** Deterministic ciphertexts of values, in their order, to store and to search for. */
export type DeterministicValues = Schemas['DeterministicEncryptResult'];

/** Options of a look-up. */
export interface IndexOptions {
  readonly context?: EncryptionContext;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  readonly access?: Access;
}

const OPTIONS = new Set(['context', 'signal', 'timeoutMs', 'access']);

/** One index of a tenant: finds rows by a value that is stored encrypted. */
export class IndexClient {
  readonly #parts: TenantParts;
  readonly #tenantId: string;
  readonly #name: string;
  readonly #access: Access | undefined;

  constructor(parts: TenantParts, tenantId: string, name: string, access: Access | undefined) {
    this.#parts = parts;
    this.#tenantId = tenantId;
    this.#name = name;
    this.#access = access;
  }

  /**
   * Returns the tokens of 1 to 1,000 values. Equal values have equal tokens, which is what they leak.
   * @throws VaultspanError
   */
  async tokens(values: readonly Data[], options: Omit<IndexOptions, 'context'> = {}): Promise<IndexTokens> {
    const answer = await this.#call<IndexTokens>('tokens', { values: inBase64(values) }, options);
    assertWhole(answer, ({ tokens }) => tokens, values.length);
    return answer;
  }

  /** Returns deterministic ciphertexts of 1 to 1,000 values: equal values under one context have equal ones. */
  async encryptDeterministic(values: readonly Data[], options: IndexOptions = {}): Promise<DeterministicValues> {
    const body = { values: inBase64(values), ...contextMember(options.context) };
    const answer = await this.#call<DeterministicValues>('deterministic/encrypt', body, options);
    assertWhole(answer, (version) => version.values, values.length);
    return answer;
  }

  /** Returns what deterministic ciphertexts hold. */
  async decryptDeterministic(values: readonly string[], options: IndexOptions = {}): Promise<readonly Plaintext[]> {
    const body = { values, ...contextMember(options.context) };
    const answer = await this.#call<Schemas['DeterministicDecryptResult']>('deterministic/decrypt', body, options);
    if (answer.values?.length !== values.length) throw unexpectedAnswer('the answer has another number of values');
    return answer.values.map((value) => new Plaintext(fromBase64(value)));
  }

  #call<T>(call: string, body: unknown, options: IndexOptions): Promise<T> {
    checkNames(options, OPTIONS);
    const { timeoutMs = this.#parts.timeoutMs, signal, access = this.#access } = options;
    return this.#parts.track(async () => {
      const deadline = new Deadline(timeoutMs, signal);
      const path = `indexes/${encodeURIComponent(this.#name)}/${call}`;
      try {
        return await retrying(deadline, () =>
          this.#parts.transport.json<T>({ tenantId: this.#tenantId, path, body, access, signal: deadline.signal }),
        );
      } finally {
        deadline.release();
      }
    });
  }
}

/** @throws VaultspanError `unexpected-answer` unless each version has a value for each that was sent */
function assertWhole<V>(
  answer: { readonly write: V; readonly search: readonly V[] } | undefined,
  valuesOf: (version: V) => readonly string[] | undefined,
  sent: number,
): void {
  const versions = [answer?.write, ...(answer?.search ?? [undefined])];
  const isWhole = versions.every((version) => version !== undefined && valuesOf(version)?.length === sent);
  if (!isWhole) throw unexpectedAnswer('the answer has another number of values');
}

function inBase64(values: readonly Data[]): readonly string[] {
  return values.map((value, at) => base64Of(bytesOf(value, `values[${at}]`)));
}
