import { setImmediate as turn } from 'node:timers/promises';
import { VaultGate, type VaultLimits } from '../../src/azure/vault/vault-gate.ts';
import { ServiceError } from '../../src/errors.ts';
import type { VaultUse } from '../../src/keyring/key-wrapper.ts';
import { TestClock } from './test-clock.ts';

/** One call that a test sends to the gate, and ends. */
export interface GatedCall {
  isMade(): boolean;
  answer(): void;
  fail(error: Error): void;
  /** Simulates the end of the deadline. */
  giveUp(): void;
  /** The result of the call: `answered`, or code and reason of its failure. */
  readonly outcome: Promise<string>;
  readonly failure: Promise<unknown>;
}

/** A gate before a vault that answers on the test's request. */
export class GatedVault {
  readonly clock = new TestClock();
  readonly breaker: boolean[] = [];
  readonly rationed: string[] = [];
  readonly gate: VaultGate;

  constructor(limits: Partial<VaultLimits> = {}) {
    this.gate = new VaultGate({
      host: 'contoso-kv.vault.azure.net',
      limits: { maxConcurrent: 32, budgetPerSecond: 1_000, budgetBurst: 10_000, isWeighted: true, ...limits },
      observer: {
        onBreaker: (_host, isOpen) => this.breaker.push(isOpen),
        onRationed: (_host, rationing) => this.rationed.push(rationing),
      },
      clock: this.clock,
    });
  }

  call(use: VaultUse = 'upkeep', tenantId: string = 'contoso', cost: number = 1): GatedCall {
    const deadline = new AbortController();
    const vault = Promise.withResolvers<void>();
    vault.promise.catch(() => undefined); // if the call is never made
    let isMade = false;
    const run = this.gate.run({ tenantId, use, cost }, deadline.signal, () => {
      isMade = true;
      return vault.promise;
    });
    const failure = run.then(
      () => undefined,
      (error: unknown) => error,
    );
    return {
      isMade: () => isMade,
      answer: () => vault.resolve(),
      fail: (error) => vault.reject(error),
      giveUp: () => deadline.abort(new Error('given up')),
      outcome: failure.then(describeOutcome),
      failure,
    };
  }

  calls(count: number, use?: VaultUse, tenantId?: string): readonly GatedCall[] {
    return Array.from({ length: count }, () => this.call(use, tenantId));
  }

  /** Makes calls that fail one after another, with the vault's answer or the lack of one. */
  async failing(count: number, error: () => Error): Promise<readonly string[]> {
    const outcomes: string[] = [];
    for (let time = 0; time < count; time += 1) {
      const call = this.call();
      call.fail(error());
      outcomes.push(await call.outcome);
    }
    return outcomes;
  }
}

function describeOutcome(failure: unknown): string {
  if (failure === undefined) return 'answered';
  if (!(failure instanceof ServiceError)) return String(failure);
  return failure.reason === undefined ? failure.code : `${failure.code} ${failure.reason}`;
}

/** Lets everything happen that waits only for its turn. */
export const settled = async (): Promise<void> => {
  await turn();
};

export const made = (calls: readonly GatedCall[]): number => calls.filter((call) => call.isMade()).length;

export const outage = (): ServiceError => new ServiceError('vault-unavailable', 'down');
export const refusal = (): ServiceError => new ServiceError('access-revoked', 'no role', { scope: 'key' });
/** Returns the vault's 429, with its Retry-After in seconds, if any. */
export const throttled = (retryAfter?: number) => (): ServiceError =>
  new ServiceError('vault-throttled', 'over its quota', {
    retryAfter: retryAfter ?? 2,
    cause: {
      statusCode: 429,
      response: { headers: new Headers(retryAfter ? { 'retry-after': `${retryAfter}` } : {}) },
    },
  });
