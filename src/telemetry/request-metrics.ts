import { Counter, type Registry } from 'prom-client';
import { Observations, registerFedHistogram } from './fed-histogram.ts';
import { NO_CODE, Outcomes } from './outcomes.ts';
import { TenantLabels } from './tenant-labels.ts';

/**
 * Seconds. Warm calls take fractions of a millisecond, cold ones some round trips to Azure, and a
 * call's deadline is 10 s by default.
 */
const BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25];
const INTERNAL = 'internal';

/** The members that are known when a request is answered. */
interface AnsweredRequest {
  /** The name in the audit log; absent if no route was found. */
  readonly operation: string | undefined;
  readonly tenantId: string | undefined;
}

/** Present with `metrics.tenantLabels` only. */
export interface TenantLabelOptions {
  readonly maxTenants: number;
}

/** Counts requests by operation. */
export class RequestMetrics {
  readonly #outcomes = new Map<string, Outcomes>();
  readonly #durations = new Map<string, Observations>();
  /** Each code has one status. */
  readonly #statusClasses = new Map<string, string>([
    [NO_CODE, '2xx'],
    [INTERNAL, '5xx'],
  ]);
  readonly #tenants: TenantLabels | undefined;

  constructor(registry: Registry, tenants: TenantLabelOptions | undefined) {
    const collect = (set: (labels: Record<'operation' | 'status' | 'code', string>, count: number) => void) => {
      for (const [operation, outcomes] of this.#outcomes) {
        // Exported from the start: Prometheus sees no increase in a series that starts above 0.
        set({ operation, status: '5xx', code: INTERNAL }, 0);
        for (const [code, count] of outcomes.entries()) {
          set({ operation, status: this.#statusClasses.get(code) ?? '', code }, count);
        }
      }
    };
    new Counter({
      name: 'vaultspan_requests_total',
      help: 'Requests answered, by operation, class of status, and problem code (none for a success)',
      labelNames: ['operation', 'status', 'code'],
      registers: [registry],
      collect() {
        this.reset();
        collect((labels, count) => this.inc(labels, count));
      },
    });
    registerFedHistogram(registry, {
      name: 'vaultspan_request_duration_seconds',
      help: 'Time from the head of a request to its response',
      label: 'operation',
      bounds: BOUNDS,
      series: this.#durations,
    });
    this.#tenants = tenants && new TenantLabels(registry, tenants.maxTenants);
  }

  /** Counts an answered request; `code` is that of a problem. */
  answered(
    { operation = 'none', tenantId }: AnsweredRequest,
    status: number,
    code: string | undefined,
    seconds: number,
  ) {
    const outcomes = this.#outcomes.get(operation) ?? this.#begin(operation);
    outcomes.add(code);
    if (code !== undefined) this.#statusClasses.set(code, `${Math.floor(status / 100)}xx`);
    this.#durations.get(operation)?.observe(seconds);
    this.#tenants?.answered(operation, code, tenantId);
  }

  #begin(operation: string): Outcomes {
    const outcomes = new Outcomes();
    this.#outcomes.set(operation, outcomes);
    this.#durations.set(operation, new Observations(BOUNDS));
    return outcomes;
  }
}
