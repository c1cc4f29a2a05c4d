import { randomUUID } from 'node:crypto';
import type { Pipeline } from '@azure/core-rest-pipeline';
import { LRUCache } from 'lru-cache';
import { ServiceError, type VaultCallIds } from '../../errors.ts';
import { type KekRef, kidOf } from '../../format/kek-ref.ts';
import { kekTypeOf, type WrapAlgorithm } from '../../format/wrap-algorithms.ts';

import type { KekFacts, KeyWrapper, VaultResult, VaultUse } from '../../keyring/key-wrapper.ts';
import type { Clock } from '../../lib/clock.ts';
import { tokenMaxAgeMsOf } from '../../tenants/bounds.ts';
import type { RegisteredKey, Tenant } from '../../tenants/record.ts';
import { type AzureObserver, vaultOutcome, withOutcome } from '../call-outcomes.ts';
import { withinDeadline } from '../deadline.ts';
import type { SignIns } from '../entra/sign-ins.ts';
import { TenantCredential } from '../entra/tenant-credential.ts';
import type { ColdStarts } from './cold-starts.ts';
import { factsOf } from './key-facts.ts';
import { type CallOptions, sharedPipeline, VaultClient } from './vault-client.ts';
import { TOKEN_REFUSED, type VaultCall, vaultFailure } from './vault-failures.ts';
import type { VaultGates } from './vault-gates.ts';
import { costOf, READ_COST } from './vault-quota.ts';

/** An unwrap that a vault answered: with its failure if it refused. */
interface AnsweredUnwrap {
  readonly tenantId: string;
  readonly keyId: string;
  readonly vaultCall: VaultCallIds;
  readonly failure?: ServiceError;
}

/** Called with each unwrap before its result is used. A rejection fails the unwrap. */
export type OnUnwrap = (unwrap: AnsweredUnwrap) => Promise<void>;

/** Called with each call that a vault answered, whatever the answer. */
type OnVaultCall = (tenantId: string) => void;

export interface KeyVaultOptions {
  readonly signIns: Pick<SignIns, 'appId' | 'signIn'>;
  readonly unsafeAllowEmulator: boolean;
  readonly deadlineMs: number;
  /** For a tenant without a bound in its record. */
  readonly revocationBoundMs: number;
  /**
   * Default: half of each tenant's revocation bound. A proof may be made with a token of this age,
   * and is valid for the bound.
   */
  readonly tokenMaxAgeMs?: number | undefined;
  readonly clock: Clock;
  readonly observer?: AzureObserver | undefined;
  readonly onUnwrap?: OnUnwrap | undefined;
  readonly onCall?: OnVaultCall | undefined;
  /**
   * The rate limits of calls by vault; absent for the doctor, which must see the vault itself and
   * makes few calls.
   */
  readonly gates?: VaultGates;
  /** The rate limits of first calls to vaults; absent for the doctor too. */
  readonly coldStarts?: ColdStarts;
}

interface Asked extends Pick<VaultCall, 'kek' | 'operation' | 'algorithm'> {
  readonly tenant: Tenant;
  readonly use: VaultUse;
  /** Cost within the vault's budget. */
  readonly cost: number;
}

type KeySize = Pick<KekFacts, 'bits' | 'isHsm'>;

interface Called<T> {
  readonly answer: T;
  readonly vaultCall: VaultCallIds;
}

/** A key that has not been read counts as the recommended one, in an HSM. */
const UNREAD: KeySize = { bits: 3_072, isHsm: true };

const MAX_CREDENTIALS = 10_000;
const MAX_CLIENTS = 20_000;
const OBSERVED_AS = { getKey: 'read', wrapKey: 'wrap', unwrapKey: 'unwrap' } as const;

/**
 * The customers' vaults, through the SDK: one credential per directory, one client per vault, every
 * call on a pinned key version.
 */
export class KeyVault implements KeyWrapper {
  readonly #options: KeyVaultOptions;
  #pipeline: Pipeline | undefined;
  readonly #credentials = new LRUCache<string, TenantCredential>({ max: MAX_CREDENTIALS });
  readonly #clients = new LRUCache<string, VaultClient>({ max: MAX_CLIENTS });
  /** Sizes of keys that were read, by URL: they determine the cost of calls. */
  readonly #sizes = new LRUCache<string, KeySize>({ max: MAX_CLIENTS });

  constructor(options: KeyVaultOptions) {
    this.#options = options;
  }

  async readKey(tenant: Tenant, key: Pick<RegisteredKey, 'vaultUrl' | 'name' | 'keyVersion'>): Promise<KekFacts> {
    const kek = { vaultUrl: key.vaultUrl, name: key.name, keyVersion: key.keyVersion ?? '' };
    const cost = READ_COST;
    const { answer } = await this.#call(
      { tenant, kek, operation: 'getKey', use: 'upkeep', cost },
      async (client, options) => factsOf(await client.getKey(key.name, key.keyVersion, options), kek, tenant.id),
    );
    this.#sizes.set(urlOf(kek), answer);
    return answer;
  }

  async wrapKey(
    tenant: Tenant,
    kek: KekRef,
    algorithm: WrapAlgorithm,
    bytes: Uint8Array,
    use: VaultUse,
  ): Promise<VaultResult> {
    const cost = costOf(this.#sizes.get(urlOf(kek)) ?? UNREAD);
    const wrapped = await this.#call(
      { tenant, kek, operation: 'wrapKey', use, algorithm, cost },
      async (client, options) => bytesOf(await client.wrapKey(kek, algorithm, bytes, options)),
    );
    return resultOf(wrapped);
  }

  async unwrapKey(
    tenant: Tenant,
    kek: KekRef,
    algorithm: WrapAlgorithm,
    wrapped: Uint8Array,
    use: VaultUse,
  ): Promise<VaultResult> {
    const { isHsm } = this.#sizes.get(urlOf(kek)) ?? UNREAD;
    // RSA output is as long as the modulus, so it reveals an older version of another size.
    const bits = kekTypeOf(algorithm) === 'RSA' ? wrapped.length * 8 : undefined;
    const cost = costOf({ bits, isHsm });
    const about = { tenantId: tenant.id, keyId: kidOf(kek) };
    try {
      const unwrapped = await this.#call(
        { tenant, kek, operation: 'unwrapKey', use, algorithm, cost },
        async (client, options) => bytesOf(await client.unwrapKey(kek, algorithm, wrapped, options)),
      );
      await this.#options.onUnwrap?.({ ...about, vaultCall: unwrapped.vaultCall });
      return resultOf(unwrapped);
    } catch (error) {
      if (error instanceof ServiceError && error.vaultCall?.vaultRequestId !== undefined)
        await this.#options.onUnwrap?.({ ...about, vaultCall: error.vaultCall, failure: error });
      throw error;
    }
  }

  /**
   * Returns the result of one call in its turn, with one retry after an outage. Its failure is
   * translated once, with the ids of the last attempt.
   */
  async #call<T>(
    { tenant, kek, operation, use, algorithm, cost }: Asked,
    call: (client: VaultClient, options: CallOptions) => Promise<T>,
  ): Promise<Called<T>> {
    const { signIns, deadlineMs, gates, coldStarts, observer, onCall } = this.#options;
    const { appId } = signIns;
    const gate = gates?.of(kek.vaultUrl);
    let vaultCall: VaultCallIds | undefined;
    const failAs = (error: unknown) =>
      vaultFailure(error, { operation, kek, algorithm, appId, tenantId: tenant.id, vaultCall });
    const ask = async (abortSignal: AbortSignal) => {
      const vaultClientRequestId = randomUUID();
      let ids: VaultCallIds = { vaultClientRequestId };
      vaultCall = ids;
      const onRequestId = (vaultRequestId: string | undefined) => {
        ids = { vaultRequestId, vaultClientRequestId };
        vaultCall = ids;
      };
      try {
        const options = { clientRequestId: vaultClientRequestId, abortSignal, onRequestId };
        return { answer: await this.#ask(tenant, kek, options, call), vaultCall: ids };
      } catch (error) {
        const failure = failAs(error);
        if (failure.reason === TOKEN_REFUSED) this.credentialOf(tenant).renew();
        throw failure;
      } finally {
        if (ids.vaultRequestId !== undefined) onCall?.(tenant.id);
      }
    };
    const inTurn = (signal: AbortSignal) =>
      gate ? gate.run({ tenantId: tenant.id, use, cost }, signal, () => ask(signal)) : ask(signal);
    const attempt = (signal: AbortSignal) =>
      coldStarts && !this.#isOpened(tenant, kek.vaultUrl)
        ? coldStarts.run(tenant.id, deadlineMs, signal, () => inTurn(signal))
        : inTurn(signal);
    const isWorthRetry = (error: unknown) => isOutage(error) && gate?.isBreakerOpen !== true;
    return withOutcome(
      () => withinDeadline(deadlineMs, attempt, isWorthRetry).catch((error: unknown) => Promise.reject(failAs(error))),
      (failure) => vaultOutcome(failAs(failure)),
      (outcome, seconds) => observer?.vaultCall(OBSERVED_AS[operation], outcome, seconds),
    );
  }

  /**
   * Returns the result. A client whose first call failed before the vault's challenge is dropped.
   */
  async #ask<T>(
    tenant: Tenant,
    kek: KekRef,
    options: CallOptions,
    call: (client: VaultClient, options: CallOptions) => Promise<T>,
  ): Promise<T> {
    const client = this.#client(tenant, kek.vaultUrl);
    try {
      return await call(client, options);
    } catch (error) {
      if (!client.isOpened) this.#clients.delete(this.#clientKey(tenant, kek.vaultUrl));
      throw error;
    }
  }

  /** Makes no client: a first call that is refused its turn must cost little. */
  #isOpened(tenant: Tenant, vaultUrl: string): boolean {
    return this.#clients.get(this.#clientKey(tenant, vaultUrl))?.isOpened === true;
  }

  #client(tenant: Tenant, vaultUrl: string): VaultClient {
    const key = this.#clientKey(tenant, vaultUrl);
    const known = this.#clients.get(key);
    if (known) return known;
    this.#pipeline ??= sharedPipeline(this.#options);
    const client = new VaultClient(vaultUrl, this.credentialOf(tenant), this.#options, this.#pipeline);
    this.#clients.set(key, client);
    return client;
  }

  #clientKey(tenant: Tenant, vaultUrl: string): string {
    return `${this.#credentialKey(tenant)} ${vaultUrl}`;
  }

  /**
   * Returns the key of a credential. Tenants that share a directory share its token if they have
   * the same maximum age.
   */
  #credentialKey(tenant: Tenant): string {
    return `${tenant.entraTenantId} ${this.#tokenMaxAgeMs(tenant)}`;
  }

  /** Drops the tenant's token. Other tenants that share its directory sign in again. */
  forget(tenant: Tenant): void {
    this.#credentials.delete(this.#credentialKey(tenant));
    for (const { vaultUrl } of Object.values(tenant.keys)) this.#clients.delete(this.#clientKey(tenant, vaultUrl));
  }

  /** Returns our sign-in to the tenant's directory, shared by all calls there. */
  credentialOf(tenant: Tenant): TenantCredential {
    const key = this.#credentialKey(tenant);
    const known = this.#credentials.get(key);
    if (known) return known;
    const { signIns, clock } = this.#options;
    const { entraTenantId } = tenant;
    const tokenMaxAgeMs = this.#tokenMaxAgeMs(tenant);
    const credential = new TenantCredential({ signIns, entraTenantId, tokenMaxAgeMs, clock });
    this.#credentials.set(key, credential);
    return credential;
  }

  #tokenMaxAgeMs(tenant: Tenant): number {
    const { tokenMaxAgeMs, revocationBoundMs } = this.#options;
    return tokenMaxAgeMsOf(tenant, { tokenMaxAgeMs, boundMs: revocationBoundMs });
  }
}

/**
 * Returns whether to retry. Wrap, unwrap and read change nothing in the vault: all are safe to
 * repeat. A throttled vault is not called again.
 */
const isOutage = (error: unknown): boolean =>
  error instanceof ServiceError && error.code === 'vault-unavailable' && error.reason !== 'busy';

const urlOf = ({ vaultUrl, name }: KekRef): string => `${vaultUrl}/${name}`.toLowerCase();

const resultOf = ({ answer: bytes, vaultCall }: Called<Buffer>): VaultResult => ({ bytes, vaultCall });

/**
 * Returns the bytes. It throws if the vault's answer had none, within the call, so that it counts
 * as the vault's failure.
 */
const bytesOf = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer => Buffer.from(buffer, byteOffset, byteLength);
