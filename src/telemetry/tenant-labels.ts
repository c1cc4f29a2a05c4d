import { Counter, type Registry } from 'prom-client';

/** Codes that come only once the tenant was found: before, an id is whatever a caller wrote into its path. */
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

/** Requests by tenant: each of the first tenants seen has a label of its own, all others share `other`. */
export class TenantLabels {
  readonly #counter: Counter<'tenant' | 'operation' | 'code'>;
  readonly #known = new Set<string>();
  readonly #maxTenants: number;

  constructor(registry: Registry, maxTenants: number) {
    this.#maxTenants = maxTenants;
    this.#counter = new Counter({
      name: 'vaultspan_tenant_requests_total',
      help: 'Requests answered for a tenant, by operation and problem code; other beyond metrics.maxTenants',
      labelNames: ['tenant', 'operation', 'code'],
      registers: [registry],
    });
  }

  answered(operation: string, code: string | undefined, tenantId: string | undefined): void {
    if (tenantId === undefined || !AFTER_THE_TENANT.has(code)) return;
    this.#counter.inc({ tenant: this.#labelOf(tenantId), operation, code: code ?? 'none' });
  }

  #labelOf(tenantId: string): string {
    if (this.#known.has(tenantId)) return tenantId;
    if (this.#known.size >= this.#maxTenants) return 'other';
    this.#known.add(tenantId);
    return tenantId;
  }
}
