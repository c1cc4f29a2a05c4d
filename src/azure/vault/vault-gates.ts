import { LRUCache } from 'lru-cache';
import type { Clock } from '../../lib/clock.ts';
import { VaultGate, type VaultLimits, type VaultObserver } from './vault-gate.ts';
import type { Rationing } from './vault-rationing.ts';

/**
 * Far more than are in use at a time. A dropped gate was idle for a long time, or the next one
 * starts with a full budget.
 */
const MAX_GATES = 20_000;
const MAX_HOSTS = 100;

export interface VaultGatesOptions {
  readonly limits: VaultLimits;
  readonly observer: VaultObserver;
  readonly clock: Clock;
}

/**
 * One gate for each vault, whichever tenants and directories it is registered under: the quota is
 * the vault's.
 */
export class VaultGates {
  /** Calls not made since the start, for metrics. */
  readonly rationed: Record<Rationing, number> = { budget: 0, 'back-off': 0, breaker: 0, busy: 0 };
  readonly #options: VaultGatesOptions;
  readonly #gates = new LRUCache<string, VaultGate>({ max: MAX_GATES });

  constructor(options: VaultGatesOptions) {
    const { observer } = options;
    const onRationed = (host: string, rationing: Rationing) => {
      this.rationed[rationing] += 1;
      observer.onRationed(host, rationing);
    };
    this.#options = { ...options, observer: { ...observer, onRationed } };
  }

  /** Returns the number of vaults whose circuit breaker is open. */
  countOpen(): number {
    return this.#gates.values().reduce((count, { isBreakerOpen }) => count + (isBreakerOpen ? 1 : 0), 0);
  }

  /** Returns the hosts of such vaults, at most 100. */
  openHosts(): string[] {
    return this.#gates
      .entries()
      .filter(([, { isBreakerOpen }]) => isBreakerOpen)
      .map(([host]) => host)
      .take(MAX_HOSTS)
      .toArray();
  }

  of(vaultUrl: string): VaultGate {
    const { host } = new URL(vaultUrl); // in lower case, according to the URL standard
    const known = this.#gates.get(host);
    if (known) return known;
    const gate = new VaultGate({ host, ...this.#options });
    this.#gates.set(host, gate);
    return gate;
  }
}
