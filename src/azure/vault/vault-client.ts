import type { TokenCredential } from '@azure/core-auth';
import { createPipelineFromOptions, type Pipeline } from '@azure/core-rest-pipeline';
import { CryptographyClient, type CryptographyClientOptions, KeyClient, type KeyVaultKey } from '@azure/keyvault-keys';
import { type KekRef, kidOf } from '../../format/kek-ref.ts';
import type { WrapAlgorithm } from '../../format/wrap-algorithms.ts';
import { defined } from '../../lib/defined.ts';
import { readForeignError } from '../foreign-error.ts';
import { type VaultAccess, vaultClientOptions } from '../sdk-http.ts';

export interface CallOptions {
  /** Our own GUID for `x-ms-client-request-id`. */
  readonly clientRequestId: string;
  readonly abortSignal: AbortSignal;
  /** Receives the vault's own `x-ms-request-id` with each answer, refusals included. */
  readonly onRequestId: (requestId: string | undefined) => void;
}

/**
 * Returns the SDK's steps of a request that the clients of all vaults share. Of its own, each client
 * needs only those that it adds itself, for its challenge. Built anew for each client, the shared
 * ones take 8 KiB and half of the time to make it.
 */
export const sharedPipeline = (access: VaultAccess): Pipeline =>
  createPipelineFromOptions({
    ...vaultClientOptions(access),
    userAgentOptions: { userAgentPrefix: 'azsdk-js-keyvault-keys' },
  });

/**
 * The SDK's client of one vault under one credential. The first request gets the vault's challenge
 * and therefore runs alone: concurrent first requests can lose their bodies or send them before a
 * token.
 */
export class VaultClient {
  readonly #keys: KeyClient;
  readonly #credential: TokenCredential;
  readonly #state: { isOpened: boolean } = { isOpened: false };
  #opening: Promise<unknown> | undefined;

  constructor(vaultUrl: string, credential: TokenCredential, access: VaultAccess, shared: Pipeline) {
    this.#credential = credential;
    const pipeline = shared.clone(); // an option of the client below KeyClient, which passes it on
    const options = { ...vaultClientOptions(access), pipeline };
    this.#keys = new KeyClient(vaultUrl, credential, options);
  }

  async getKey(name: string, version: string | undefined, options: CallOptions): Promise<KeyVaultKey> {
    return this.#call(() => this.#keys.getKey(name, { ...defined({ version }), ...sdkOptions(options) }));
  }

  async wrapKey(kek: KekRef, algorithm: WrapAlgorithm, bytes: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    const client = this.#cryptography(kek);
    return (await this.#call(() => client.wrapKey(algorithm, bytes, sdkOptions(options)))).result;
  }

  async unwrapKey(
    kek: KekRef,
    algorithm: WrapAlgorithm,
    wrapped: Uint8Array,
    options: CallOptions,
  ): Promise<Uint8Array> {
    const client = this.#cryptography(kek);
    return (await this.#call(() => client.unwrapKey(algorithm, wrapped, sdkOptions(options)))).result;
  }

  /**
   * Returns a CryptographyClient on the pipeline, and so on the challenge, of this client. Built
   * from a key without its material, it does nothing by itself. It does not read the key, wrap
   * locally or check an expiry that it read once. `generatedClient` is not in the SDK's types. The
   * SDK's version is pinned, and test/azure/vault/vault-client.test.ts fails when this no longer
   * works.
   */
  #cryptography(kek: KekRef): CryptographyClient {
    const key = { id: kidOf(kek), name: kek.name, properties: { vaultUrl: kek.vaultUrl, name: kek.name } };
    const { client } = this.#keys as unknown as { readonly client: unknown };
    const options = { generatedClient: client } as CryptographyClientOptions;
    return new CryptographyClient(key as KeyVaultKey, this.#credential, options);
  }

  async #call<T>(call: () => Promise<T>): Promise<T> {
    while (!this.#state.isOpened && this.#opening) await this.#opening.catch(() => undefined); // its own caller gets the failure
    return this.#state.isOpened ? call() : this.#open(call);
  }

  async #open<T>(call: () => Promise<T>): Promise<T> {
    const opening = call();
    this.#opening = opening;
    try {
      const answer = await opening;
      this.#state.isOpened = true;
      return answer;
    } catch (error) {
      this.#state.isOpened = readForeignError(error).status !== undefined; // the vault answered, after its challenge
      throw error;
    } finally {
      this.#opening = undefined;
    }
  }

  /**
   * Returns whether the challenge was met; a client whose first call failed before that must not be
   * used again.
   */
  get isOpened(): boolean {
    return this.#state.isOpened;
  }
}

/**
 * Returns the SDK's options. The SDK calls `onResponse` for refusals too, and once for a call with
 * its challenge: test/azure/vault/vault-client.test.ts.
 */
const sdkOptions = ({ clientRequestId, abortSignal, onRequestId }: CallOptions) => ({
  abortSignal,
  requestOptions: { headers: { 'x-ms-client-request-id': clientRequestId } },
  onResponse: ({ headers }: { readonly headers: { get(name: string): string | undefined } }) =>
    onRequestId(headers.get('x-ms-request-id')),
});
