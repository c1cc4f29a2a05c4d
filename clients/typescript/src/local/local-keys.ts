import type { Access } from '../access.ts';
import { VaultspanError } from '../errors.ts';
import type { Transport } from '../transport.ts';
import { nodeCrypto } from './compact.ts';
import { leaseCalls } from './lease-calls.ts';
import { INSTEAD, LeasedKeys } from './leased-keys.ts';
import { LocalTenant } from './local-tenant.ts';
import { systemTime, type Time } from './time.ts';
import { Usage } from './usage.ts';

/** Tenants (each with its access) that have keys here; calls of more go by the service. */
const MAX_TENANTS = 1_000;
const SWEEP_MS = 1_000;

export interface LocalKeysParts {
  readonly transport: Transport;
  readonly timeoutMs: number;
  readonly isRequired: boolean;
  readonly time?: Time;
}

interface Entry {
  readonly tenant: LocalTenant;
  readonly keys: LeasedKeys;
  readonly usage: Usage;
}

/** The leased keys of this process. */
export interface LocalKeys {
  /**
   * Returns what seals and opens here, or undefined where the service must.
   * @throws VaultspanError `local-refused` where it must not
   */
  tenant(id: string, access: Access | undefined): LocalTenant | undefined;
  /** Overwrites all keys and reports what they were used for. */
  close(): Promise<void>;
}

/**
 * Returns the leased keys of this process.
 * @throws TypeError in a runtime without Node's crypto, where keys must not be asked for in vain
 */
export function openLocalKeys({ transport, timeoutMs, isRequired, time = systemTime }: LocalKeysParts): LocalKeys {
  const crypto = nodeCrypto();
  if (crypto === undefined) throw new TypeError("local needs Node's crypto: leave it out in this runtime");
  const entries = new Map<string, Entry>();
  const timer = setInterval(() => {
    for (const [name, { keys, usage }] of entries) {
      keys.sweep();
      void usage.flush();
      if (keys.isIdle && usage.isIdle) entries.delete(name);
    }
  }, SWEEP_MS);
  // It keeps no process alive.
  (timer as unknown as { unref(): void }).unref();
  const open = (tenantId: string, access: Access | undefined): Entry => {
    const calls = leaseCalls({ transport, tenantId, access, timeoutMs, isRequired });
    const usage = new Usage({
      time,
      report: calls.report,
      leaseForReport: async () => {
        const { leaseId, key } = await calls.create(undefined);
        key.fill(0);
        return leaseId;
      },
    });
    const keys = new LeasedKeys({ crypto, time, calls, usage });
    return { keys, usage, tenant: new LocalTenant({ keys, usage, isRequired }) };
  };
  return {
    tenant: (id, access) => {
      const name = access === undefined ? id : `${id} ${JSON.stringify(access)}`;
      const known = entries.get(name);
      if (known !== undefined) return known.tenant;
      if (entries.size >= MAX_TENANTS) {
        if (isRequired) throw tooMany();
        return undefined;
      }
      const entry = open(id, access);
      entries.set(name, entry);
      return entry.tenant;
    },
    close: async () => {
      clearInterval(timer);
      await Promise.all([...entries.values()].map(({ keys }) => keys.settled()));
      for (const { keys } of entries.values()) keys.drop();
      await Promise.allSettled([...entries.values()].map(({ usage }) => usage.flush(true)));
    },
  };
}

function tooMany(): VaultspanError {
  return new VaultspanError({
    code: 'local-refused',
    message: `local-refused: ${MAX_TENANTS} tenants and accesses have keys in this process. ${INSTEAD}`,
  });
}
