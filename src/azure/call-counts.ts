import type { AzureObserver, CallOutcome } from './call-outcomes.ts';

type VaultOperation = Parameters<AzureObserver['vaultCall']>[0];

/** Counts calls to Azure since the start, also when metrics are off. */
export class CallCounts implements AzureObserver {
  readonly #vaultCalls = new Map<VaultOperation, Map<CallOutcome, number>>();
  readonly #signIns = new Map<CallOutcome, number>();
  readonly #next: AzureObserver | undefined;

  /** `next` receives each outcome too. */
  constructor(next: AzureObserver | undefined) {
    this.#next = next;
  }

  vaultCall(operation: VaultOperation, outcome: CallOutcome, seconds: number): void {
    count(
      this.#vaultCalls.getOrInsertComputed(operation, () => new Map()),
      outcome,
    );
    this.#next?.vaultCall(operation, outcome, seconds);
  }

  tokenRequest(outcome: CallOutcome, seconds: number): void {
    count(this.#signIns, outcome);
    this.#next?.tokenRequest(outcome, seconds);
  }

  vaultCalls(): { readonly operation: string; readonly outcome: string; readonly count: number }[] {
    return [...this.#vaultCalls].flatMap(([operation, outcomes]) =>
      [...outcomes].map(([outcome, count]) => ({ operation, outcome, count })),
    );
  }

  signIns(): Iterable<readonly [outcome: string, count: number]> {
    return this.#signIns;
  }
}

function count(counts: Map<CallOutcome, number>, outcome: CallOutcome): void {
  counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
}
