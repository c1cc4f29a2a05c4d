import { Counter, Histogram, type Registry } from 'prom-client';

/** Seconds; the deadline of a call is 10 by default and 60 at most. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/**
 * All outcomes of `azure/call-outcomes.ts`. They are exported from the start, since Prometheus sees
 * no increase in a series that starts above 0.
 */
const OUTCOMES = ['ok', 'refused', 'throttled', 'unavailable', 'timeout'];
const OPERATIONS = ['read', 'wrap', 'unwrap', 'sign'];

/** Counts calls to vaults and sign-ins at Entra, by outcome. */
export class AzureMetrics {
  readonly #vaultCalls: Counter<'operation' | 'outcome'>;
  readonly #vaultDurations: Histogram<'operation'>;
  readonly #tokenRequests: Counter<'outcome'>;
  readonly #tokenDurations: Histogram;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#vaultCalls = new Counter({
      name: 'vaultspan_vault_calls_total',
      help: 'Calls to vaults, by operation and outcome; no-token: not made because the sign-in failed',
      labelNames: ['operation', 'outcome'],
      registers,
    });
    this.#vaultDurations = new Histogram({
      name: 'vaultspan_vault_call_duration_seconds',
      help: 'Duration of calls to vaults, including their sign-in and one retry',
      labelNames: ['operation'],
      buckets: BUCKETS,
      registers,
    });
    this.#tokenRequests = new Counter({
      name: 'vaultspan_token_requests_total',
      help: "Sign-ins to Entra, by outcome; home-rejected: the app's own credential was rejected",
      labelNames: ['outcome'],
      registers,
    });
    this.#tokenDurations = new Histogram({
      name: 'vaultspan_token_request_duration_seconds',
      help: 'Duration of sign-ins to Entra',
      buckets: BUCKETS,
      registers,
    });
    for (const outcome of [...OUTCOMES, 'home-rejected']) this.#tokenRequests.inc({ outcome }, 0);
    for (const operation of OPERATIONS) {
      for (const outcome of [...OUTCOMES, 'no-token']) this.#vaultCalls.inc({ operation, outcome }, 0);
    }
  }

  vaultCall(operation: string, outcome: string, seconds: number): void {
    this.#vaultCalls.inc({ operation, outcome });
    this.#vaultDurations.observe({ operation }, seconds);
  }

  tokenRequest(outcome: string, seconds: number): void {
    this.#tokenRequests.inc({ outcome });
    this.#tokenDurations.observe(seconds);
  }
}
