import type { AccessToken } from '@azure/core-auth';
import { LRUCache } from 'lru-cache';
import { ServiceError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { defined } from '../../lib/defined.ts';
import { type AzureObserver, tokenOutcome, withOutcome } from '../call-outcomes.ts';
import { withinDeadline } from '../deadline.ts';
import type { HomeCredential } from '../home/home-credential.ts';
import { isPassingOutage, signInFailure } from '../sign-in-failures.ts';
import { isTrouble, SignInPause } from './sign-in-pause.ts';

export interface SignInsOptions {
  readonly home: HomeCredential;
  readonly appId: string;
  /**
   * Longest wait for Entra. It is shorter than a vault call's deadline, so that a failure names the
   * party that did not answer.
   */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly observer?: AzureObserver | undefined;
}

const MAX_DIRECTORIES = 10_000;
/**
 * This many failing directories, with no answer for any other between them, mean that Entra as a
 * whole is failing.
 */
const DIRECTORIES_IN_TROUBLE = 3;
/** While one sign-in probes Entra, the others are told to retry after this time. */
const PROBE_MS = 2_000;

/**
 * The process's sign-ins to all customers' directories. Entra throttles an app that signs in too
 * often, and every failed sign-in appears in the customer's log. So each directory has one sign-in
 * at a time, and after a failure one per back-off step; the others get the cached failure. The same
 * applies to Entra as a whole once several directories fail.
 */
export class SignIns {
  readonly #options: SignInsOptions;
  readonly #pauses = new LRUCache<string, SignInPause>({ max: MAX_DIRECTORIES });
  /** The last sign-in of each directory that is in progress or waits; it never rejects. */
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #inTrouble = new Set<string>();
  #authority: SignInPause | undefined;
  #isProbing: boolean = false;

  constructor(options: SignInsOptions) {
    this.#options = options;
  }

  get appId(): string {
    return this.#options.appId;
  }

  /**
   * Returns a new token. `isExamination` calls Entra even after a recent refusal, as the doctor
   * must; a throttled or unreachable Entra is not called even then.
   * @throws ServiceError as `signInFailure`
   */
  async signIn(entraTenantId: string, scope: string, isExamination = false): Promise<AccessToken> {
    this.#assertDue(entraTenantId, isExamination);
    const before = this.#turns.get(entraTenantId);
    const signIn = (before ?? Promise.resolve()).then(() => this.#attempt(entraTenantId, scope, isExamination));
    const turn = signIn.catch(() => undefined);
    this.#turns.set(entraTenantId, turn);
    try {
      return await signIn;
    } finally {
      if (this.#turns.get(entraTenantId) === turn) this.#turns.delete(entraTenantId);
    }
  }

  async #attempt(entraTenantId: string, scope: string, isExamination: boolean): Promise<AccessToken> {
    this.#assertDue(entraTenantId, isExamination);
    const isProbe = this.#authority !== undefined;
    if (isProbe) this.#isProbing = true;
    try {
      const token = await this.#ask(entraTenantId, scope);
      this.#pauses.delete(entraTenantId);
      this.#answered();
      return token;
    } catch (error) {
      throw this.#remember(entraTenantId, signInFailure(error, { appId: this.appId, entraTenantId }));
    } finally {
      if (isProbe) this.#isProbing = false;
    }
  }

  /**
   * Checks that a sign-in is due.
   * @throws ServiceError the cached failure, with the time left of its back-off step
   */
  #assertDue(entraTenantId: string, isExamination: boolean): void {
    const now = this.#options.clock.monotonicMs();
    for (const pause of [this.#pauses.get(entraTenantId), this.#authority]) {
      const failure = pause?.failureAt(now);
      if (pause && failure && !(isExamination && !isTrouble(failure.code)))
        throw comeBackAfter(failure, pause.msLeft(now));
    }
    const probed = this.#isProbing ? this.#authority?.lastFailure : undefined;
    if (probed) throw comeBackAfter(probed, PROBE_MS);
  }

  #remember(entraTenantId: string, failure: ServiceError): ServiceError {
    const now = this.#options.clock.monotonicMs();
    const pause = this.#pauses.get(entraTenantId) ?? new SignInPause();
    pause.failed(failure, now);
    this.#pauses.set(entraTenantId, pause);
    if (failure.code === 'identity-unavailable') this.#troubled(entraTenantId, failure, now);
    else if (!isTrouble(failure.code)) this.#answered();
    return isTrouble(failure.code) ? comeBackAfter(failure, pause.msLeft(now)) : failure;
  }

  #troubled(entraTenantId: string, failure: ServiceError, now: number): void {
    if (this.#inTrouble.size < DIRECTORIES_IN_TROUBLE) this.#inTrouble.add(entraTenantId);
    if (this.#inTrouble.size < DIRECTORIES_IN_TROUBLE) return;
    this.#authority ??= new SignInPause();
    this.#authority.failed(failure, now);
  }

  /** Notes that Entra answered, even with a refusal. */
  #answered(): void {
    this.#inTrouble.clear();
    this.#authority = undefined;
  }

  /** Returns a token, after one retry if Entra's failure was transient. */
  #ask(entraTenantId: string, scope: string): Promise<AccessToken> {
    const { home, appId, timeoutMs, observer } = this.#options;
    const failureOf = (error: unknown) => signInFailure(error, { appId, entraTenantId });
    return withOutcome(
      () =>
        withinDeadline(
          timeoutMs,
          (signal) => home.signIn(entraTenantId, scope, signal),
          (error) => isPassingOutage(failureOf(error)),
        ),
      (error) => tokenOutcome(failureOf(error)),
      (outcome, seconds) => observer?.tokenRequest(outcome, seconds),
    );
  }
}

/**
 * Returns the same failure with the time left. A customer's refusal has none, because waiting does
 * not change it.
 */
function comeBackAfter(failure: ServiceError, leftMs: number): ServiceError {
  const { code, message, reason, fix, scope, cause } = failure;
  const retryAfter = failure.scope === 'tenant' ? undefined : Math.max(1, Math.ceil(leftMs / 1_000));
  return new ServiceError(code, message, defined({ reason, fix, scope, cause, retryAfter }));
}
