import { describe, expect, test } from '@jest/globals';
import { drillReport } from '../../src/operations/drills/drill-report.ts';
import type { Drill, DrillMode, Sighting } from '../../src/tenants/drills.ts';

const drill: Drill = {
  tenantId: 'contoso',
  id: '0b5c2f7e-6a51-4a1e-9d0c-3f2b7a9c1d44',
  state: 'finished',
  boundMs: 10_000,
  signInBoundMs: 70_000,
  startedBy: 'tester',
  startedAt: 0,
  endsAt: 3_600_000,
  endedAt: 120_000,
};

/** Returns the attempts of one process and mode. */
const track = (mode: DrillMode, ...seen: readonly (readonly [Sighting['outcome'], number, number, string?])[]) =>
  seen.map(
    ([outcome, from, to, vaultRequestId], number): Sighting => ({
      process: 'one',
      mode,
      number,
      outcome,
      from,
      to,
      vaultRequestId,
      auditRequestId: `${mode} ${number}`,
      scope: outcome === 'refused' ? 'key' : undefined,
    }),
  );

const cold = track(
  'cold',
  ['allowed', 0, 19_000, 'c1'],
  ['refused', 20_000, 89_000],
  ['allowed', 90_900, 95_000, 'c2'],
);
const reportOf = (warm: readonly Sighting[]) => drillReport({ drill, sightings: [...warm, ...cold] });

describe('the verdict', () => {
  test('is held when a process uses the key no longer than the bound', () => {
    const warm = track(
      'warm',
      ['allowed', 0, 29_000, 'w1'],
      ['refused', 30_000, 90_000],
      ['allowed', 91_000, 95_000, 'w2'],
    );
    expect(reportOf(warm)).toMatchObject({ verdict: 'held', longestUseSeconds: 9, refusedEverywhereAfterSeconds: 10 });
  });

  test('is not held when a process uses the key longer', () => {
    const warm = track(
      'warm',
      ['allowed', 0, 30_001, 'w1'],
      ['refused', 31_000, 90_000],
      ['allowed', 91_000, 95_000, 'w2'],
    );
    expect(reportOf(warm)).toMatchObject({ verdict: 'not-held', longestUseSeconds: 10.001 });
  });

  test('is held when a new vault call of the keys in memory is the first that Azure allows', () => {
    const warm = track(
      'warm',
      ['allowed', 0, 29_000, 'w1'],
      ['refused', 30_000, 90_000],
      ['allowed', 90_500, 95_000, 'w2'],
    );
    const report = reportOf(warm);
    expect(report).toMatchObject({ verdict: 'held', longestUseSeconds: 9 });
    expect(report.azureBackAt).toBe(new Date(90_500).toISOString());
  });

  test('is not held when a process uses the key again without a new vault call', () => {
    const warm = track(
      'warm',
      ['allowed', 0, 29_000, 'w1'],
      ['refused', 30_000, 60_000],
      ['allowed', 61_000, 95_000, 'w1'],
    );
    expect(reportOf(warm)).toMatchObject({ verdict: 'not-held', azureBackAt: new Date(90_900).toISOString() });
  });

  test('is not shown when a process never refused', () => {
    expect(reportOf(track('warm', ['allowed', 0, 29_000, 'w1']))).toMatchObject({ verdict: 'not-shown' });
  });
});
