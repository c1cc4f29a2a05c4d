import { Counter, type Registry } from 'prom-client';
import { Outcomes } from './outcomes.ts';

/**
 * Codes that occur only after the tenant was found: before that, an id is any text that a caller
 * wrote into its path.
 */
const AFTER_THE_TENANT: ReadonlySet<string | undefined> = new Set([
  undefined,
  'access-revoked',
  'audit-unavailable',
  'context-mismatch',
  'home-credential-rejected',
  'identity-unavailable',
  'key-use',
  'tenant-misconfigured',
  'tenant-suspended',
  'undecryptable',
  'unknown-key',
  'unknown-key-alias',
  'vault-throttled',
  'vault-unavailable',
  'wrong-tenant',
]);

/** No tenant's id has an underscore. */
const OTHERS = '_other';

/**
 * Counts requests by tenant: each of the first tenants seen has a label of its own, all others
 * share `_other`.
 */
export class TenantLabels {
  readonly #maxTenants: number;
  /** By tenant, then operation. */
  readonly #tenants = new Map<string, Map<string, Outcomes>>();

  constructor(registry: Registry, maxTenants: number) {
    this.#maxTenants = maxTenants;
    const tenants = this.#tenants;
    new Counter({
      name: 'vaultspan_tenant_requests_total',
      help: 'Requests answered for a tenant, by operation and problem code; _other beyond metrics.maxTenants',
      labelNames: ['tenant', 'operation', 'code'],
      registers: [registry],
      collect() {
        this.reset();
        for (const [tenant, operations] of tenants) {
          for (const [operation, outcomes] of operations) {
            for (const [code, count] of outcomes.entries()) this.inc({ tenant, operation, code }, count);
          }
        }
      },
    });
  }

  answered(operation: string, code: string | undefined, tenantId: string | undefined): void {
    if (tenantId === undefined || !AFTER_THE_TENANT.has(code)) return;
    this.#operationsOf(tenantId)
      .getOrInsertComputed(operation, () => new Outcomes())
      .add(code);
  }

  #operationsOf(tenantId: string): Map<string, Outcomes> {
    const known = this.#tenants.get(tenantId);
    if (known) return known;
    const hasRoom = this.#tenants.size - (this.#tenants.has(OTHERS) ? 1 : 0) < this.#maxTenants;
    return this.#tenants.getOrInsertComputed(hasRoom ? tenantId : OTHERS, () => new Map());
  }
}
