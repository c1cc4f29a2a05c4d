import { expect, test } from '@jest/globals';
import { makingPart, placeInQuarter } from '../../src/keyring/branches/epoch.ts';

const QUARTER_SECONDS = 21_600;

test("branches of 100,000 tenants that 200 processes make ahead are spread over the epoch's first quarter", () => {
  const perMinute = new Map<number, number>();
  for (let tenant = 0; tenant < 100_000; tenant += 1) {
    const place = placeInQuarter(`tenant-${tenant}`, `https://kv-${tenant}.vault.azure.net/keys/data`);
    // The first of 200 processes whose time has come makes the branch: the least of 200 random numbers.
    const random = 1 - (1 - Math.random()) ** (1 / 200);
    const minute = Math.floor((makingPart(place, random) * 4 * QUARTER_SECONDS) / 60);
    perMinute.set(minute, (perMinute.get(minute) ?? 0) + 1);
  }
  const mean = 100_000 / (QUARTER_SECONDS / 60);
  expect(Math.max(...perMinute.keys())).toBeLessThan(QUARTER_SECONDS / 60);
  expect(Math.max(...perMinute.values())).toBeLessThan(2 * mean);
  expect(perMinute.size).toBeGreaterThan(300);
});
