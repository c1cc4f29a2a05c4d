import { Counter, Gauge, type Registry } from 'prom-client';

/** Counts visits of tenants by this process. */
export class RoundsMetrics {
  readonly #visits: Counter<'result' | 'code'>;
  readonly #changes: Counter<'result'>;
  readonly #lastVisit: Gauge;
  readonly #webhooksLost: Counter;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#visits = new Counter({
      name: 'vaultspan_visits_total',
      help: 'Checks of tenants, by result (error: a fault of the service) and code of the first failed step',
      labelNames: ['result', 'code'],
      registers,
    });
    this.#changes = new Counter({
      name: 'vaultspan_tenant_state_changes_total',
      help: 'Checks that found a changed state of a tenant, by result',
      labelNames: ['result'],
      registers,
    });
    this.#lastVisit = new Gauge({
      name: 'vaultspan_last_visit_timestamp_seconds',
      help: 'Time of the last check completed by this process',
      aggregator: 'max',
      registers,
    });
    this.#webhooksLost = new Counter({
      name: 'vaultspan_webhooks_lost_total',
      help: 'Changes of state that could not be delivered to the webhook',
      registers,
    });
  }

  /** Counts a visit; `code` is that of the step that failed. */
  visited(code: string | undefined, isChanged: boolean): void {
    const result = code === undefined ? 'passed' : 'failed';
    this.#visits.inc({ result, code: code ?? 'none' });
    this.#lastVisit.setToCurrentTime();
    if (isChanged) this.#changes.inc({ result });
  }

  visitFailed(): void {
    this.#visits.inc({ result: 'error', code: 'none' });
  }

  webhookLost(): void {
    this.#webhooksLost.inc();
  }
}
