import { describe, expect, test } from '@jest/globals';
import { sealLocally } from '../support/lease-holder.ts';
import { CONTEXT, checked, leaseSite, NO_LEASE, refusalOf } from '../support/lease-site.ts';
import { scrape } from '../support/scrape.ts';
import { ALL_ROLES } from '../support/start-service.ts';

const { get, lease, open, post, recordsOf, report, service, tokenOf } = leaseSite();

describe('a report', () => {
  test('is recorded as totals and counted for each key version; a repeat counts nothing', async () => {
    const [one, other] = [await lease(), await lease()];
    await open([{ ciphertext: sealLocally(other, 'a value', CONTEXT), encryptionContext: CONTEXT }]);
    const before = await usesOf(one.keyId);
    const usage = { sealed: 40, opened: { [one.kid]: 1, [other.kid]: 6 }, bytes: 640, isFinal: true };
    for (let time = 0; time < 2; time += 1) checked(await report(one, usage), 204);
    const after = await usesOf(one.keyId);
    expect([after.sealed - before.sealed, after.opened - before.opened]).toEqual([40, 7]);
    const records = (await recordsOf('lease-usage')).filter((record) => record['lease'] === one.leaseId);
    expect(records).toHaveLength(2);
    for (const record of records) {
      expect(record).toMatchObject({
        outcome: 'succeeded',
        phase: 'finished',
        keyId: one.keyId,
        leaves: [one.kid],
        bytes: 640,
        items: { sealed: 40, opened: 7 },
        keys: [{ keyId: one.keyId, count: 7 }],
      });
    }
    const series = await scrape(service().metricsUrl);
    expect(series.get('vaultspan_lease_messages_total{use="sealed"}')).toBeGreaterThanOrEqual(40);
    expect(series.get('vaultspan_leases_total{event="finished"}')).toBeGreaterThanOrEqual(1);
  });

  test.each([
    [{ sealed: -1 }, '/sealed'],
    [{ sealed: 1.5 }, '/sealed'],
    [{ sealed: '1' }, '/sealed'],
    [{ sealed: 2 ** 24 + 1 }, '/sealed'],
    [{ sealed: 2 ** 53 }, '/sealed'],
    [{ bytes: -1 }, '/bytes'],
    [{ bytes: 2 ** 53 }, '/bytes'],
    [{ isFinal: 1 }, '/isFinal'],
    [{ opened: [] }, '/opened'],
    [{ opened: { x: 1 } }, '/opened'],
    [{ opened: { AAAAAAAAAAAAAAAAAAAAAA: -1 } }, '/opened/AAAAAAAAAAAAAAAAAAAAAA'],
    [{ opened: { AAAAAAAAAAAAAAAAAAAAAA: 1 } }, '/opened/AAAAAAAAAAAAAAAAAAAAAA'],
    [{ other: 1 }, '/other'],
  ])('of nonsense is refused: %j', async (usage, pointer) => {
    const { status, body } = await report(await lease(), usage);
    expect([status, body.code, body.errors[0].pointer]).toEqual([400, 'malformed-request', pointer]);
  });

  test('of more than 1,000 leaves is refused', async () => {
    const opened = Object.fromEntries(Array.from({ length: 1_001 }, (_, at) => [`${at}`.padStart(22, 'A'), 1]));
    const { status, body } = await report(await lease(), { opened });
    expect([status, body.code, body.errors[0].pointer]).toEqual([400, 'malformed-request', '']);
  });

  test('with a member __proto__ is refused', async () => {
    const { leaseId } = await lease();
    const body = '{"sealed":0,"opened":{"__proto__":1},"bytes":0,"isFinal":false}';
    expect(refusalOf(await post(`contoso/leases/${leaseId}/usage`, body))).toBe('400 malformed-request');
  });

  test('of more than the final one is refused; the same again is not', async () => {
    const held = await lease();
    checked(await report(held, { sealed: 5, isFinal: true }), 204);
    expect(refusalOf(await report(held, { sealed: 6 }))).toBe('400 malformed-request lease-finished');
    expect(refusalOf(await report(held, { sealed: 5, isFinal: true }))).toBe('204');
    expect(refusalOf(await report(held, { sealed: 1 }))).toBe('204');
  });

  test('finds no lease of another caller, of another tenant, nor one that never was: one answer for all', async () => {
    const held = await lease();
    const another = await tokenOf(ALL_ROLES, 'another-one');
    const answers = [
      await report(held, { sealed: 1 }, 'contoso', another),
      await report(held, { sealed: 1 }, 'fabrikam'),
      await report({ leaseId: NO_LEASE }, { sealed: 1 }),
      await report({ leaseId: NO_LEASE }, { sealed: 1 }, 'nobody'),
    ];
    const bodies = answers.map(({ body: { requestId: _requestId, ...body } }) => body);
    expect(answers.map(refusalOf)).toEqual(answers.map(() => '404 lease-not-found'));
    expect(new Set(bodies.map((body) => JSON.stringify(body))).size).toBe(1);
    expect(refusalOf(await report({ leaseId: 'x' }, {}))).toBe('400 malformed-request');
  });

  test('names no leaf that only another caller opened', async () => {
    const [held, other] = [await lease(), await lease()];
    const another = await tokenOf(ALL_ROLES, 'another-one');
    const message = { ciphertext: sealLocally(other, 'a value', CONTEXT), encryptionContext: CONTEXT };
    checked(await open([message], 'contoso', another), 200);
    expect(refusalOf(await report(held, { opened: { [other.kid]: 1 } }))).toBe('400 malformed-request');
    const theirs = await lease('contoso', another);
    expect(refusalOf(await report(theirs, { opened: { [other.kid]: 1 } }, 'contoso', another))).toBe('204');
  });
});

async function usesOf(keyId: string): Promise<{ readonly sealed: number; readonly opened: number }> {
  const { keyUsage = [] } = (await get('contoso')).body as {
    readonly keyUsage?: readonly { readonly keyId: string; readonly sealed: number; readonly opened: number }[];
  };
  return keyUsage.find((use) => use.keyId === keyId) ?? { sealed: 0, opened: 0 };
}
