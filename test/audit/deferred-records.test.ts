import { expect, test } from '@jest/globals';
import { DeferredRecords } from '../../src/audit/deferred-records.ts';
import type { AuditEvent } from '../../src/audit/event.ts';
import { until } from '../support/until.ts';

const ring = (tenantId: string, requestId: string): AuditEvent => ({
  operation: 'doorbell',
  outcome: 'succeeded',
  requestId,
  tenantId,
});

/** A log that refuses records while it is away. */
function flakyLog() {
  const events: AuditEvent[] = [];
  const refused: unknown[] = [];
  const log = { isAway: false as boolean, events, refused };
  const record = async (event: AuditEvent) => {
    if (log.isAway) throw new Error('planned');
    events.push(event);
  };
  const records = (options: { maxPending?: number } = {}) =>
    new DeferredRecords({ sink: { record }, retryMs: 5, onRefused: (error) => refused.push(error), ...options });
  return { log, records };
}

test('records are made at once while the log accepts them', async () => {
  const { log, records } = flakyLog();
  const deferred = records();
  deferred.add(ring('contoso', 'r1'));
  deferred.add(ring('contoso', 'r2'));
  await deferred.close();
  expect(log.events).toEqual([ring('contoso', 'r1'), ring('contoso', 'r2')]);
});

test('while the log is away one record for each tenant is pending, and is made when the log is back', async () => {
  const { log, records } = flakyLog();
  const deferred = records();
  log.isAway = true;
  for (const requestId of ['r1', 'r2', 'r3']) deferred.add(ring('contoso', requestId));
  deferred.add(ring('fabrikam', 'r4'));
  await new Promise((resolve) => setTimeout(resolve, 30)); // several attempts
  expect([log.events, log.refused.length]).toEqual([[], 1]);
  log.isAway = false;
  await until(() => log.events.length === 2, 'both records are made');
  expect(log.events.toSorted((one, other) => one.requestId.localeCompare(other.requestId))).toEqual([
    { ...ring('contoso', 'r1'), count: 3 },
    ring('fabrikam', 'r4'),
  ]);
  await deferred.close();
});

test('pending records are made at the end', async () => {
  const { log, records } = flakyLog();
  const deferred = records();
  log.isAway = true;
  deferred.add(ring('contoso', 'r1'));
  await new Promise((resolve) => setTimeout(resolve, 0));
  log.isAway = false;
  await deferred.close();
  expect(log.events).toEqual([ring('contoso', 'r1')]);
});

test('records beyond the limit are counted without their tenants', async () => {
  const { log, records } = flakyLog();
  const deferred = records({ maxPending: 2 });
  log.isAway = true;
  for (let n = 0; n < 50; n += 1) deferred.add(ring(`tenant-${n}`, `r${n}`));
  log.isAway = false;
  await deferred.close();
  const counts = log.events.map(({ count = 1 }) => count);
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(50);
  expect(log.events.length).toBeLessThanOrEqual(4); // the limit, the one under way, and the rest
});
