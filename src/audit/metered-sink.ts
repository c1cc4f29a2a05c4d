import type { AuditSink } from './sink.ts';
import { type Usage, usageOf } from './usage.ts';

/** Counts what accepted records of some tenants amount to. */
export interface UsageCounter {
  isCounted(tenantId: string): boolean;
  count(tenantId: string, usage: Usage): void;
}

/** Returns a sink that counts its accepted records. Those of other tenants cost one look-up. */
export const meteredSink = (sink: AuditSink, counter: UsageCounter): AuditSink => ({
  record: (event) => {
    const { tenantId } = event;
    if (tenantId === undefined || !counter.isCounted(tenantId)) return sink.record(event);
    const usage = usageOf(event);
    return sink.record(event).then(() => {
      if (usage) counter.count(tenantId, usage);
    });
  },
  trouble: () => sink.trouble(),
  close: () => sink.close(),
});
