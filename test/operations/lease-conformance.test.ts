import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sealLocally } from '../support/lease-holder.ts';
import { startService, type TestService } from '../support/start-service.ts';

interface Step {
  readonly report: { readonly opened: Readonly<Record<string, number>> };
  readonly status: number;
  readonly code?: string;
  readonly reason?: string;
}

const file = new URL('../../clients/conformance/leases.json', import.meta.url);
const { reports } = JSON.parse(readFileSync(file, 'utf8')) as {
  readonly reports: readonly { readonly name: string; readonly steps: readonly Step[] }[];
};

let service: TestService;
beforeAll(async () => {
  service = await startService({
    compact: 'enabled',
    tenant: (record) => ({ ...record, ...(record['id'] === 'contoso' && { leases: { maxSeconds: 60 } }) }),
  });
});
afterAll(async () => service[Symbol.asyncDispose]());

const lease = async () => (await service.post('/tenants/contoso/leases', {}).expect(200)).body;

test.each(reports.map(({ name, steps }) => [name, steps] as const))('reports of %s', async (_name, steps) => {
  const [own, opened] = [await lease(), await lease()];
  const messages = [{ ciphertext: sealLocally(opened, 'a value') }];
  await service.post('/tenants/contoso/leases/open', { messages }).expect(200);
  const kids: Readonly<Record<string, string>> = {
    OWN: own.kid,
    OPENED: opened.kid,
    UNKNOWN: 'AAAAAAAAAAAAAAAAAAAAAA',
  };
  for (const { report, ...expected } of steps) {
    const named = Object.entries(report.opened).map(([name, count]) => [kids[name] ?? name, count]);
    const usage = { ...report, opened: Object.fromEntries(named) };
    const { status, body } = await service.post(`/tenants/contoso/leases/${own.leaseId}/usage`, usage);
    expect({ status, ...(body.code && { code: body.code }), ...(body.reason && { reason: body.reason }) }).toEqual(
      expected,
    );
  }
});
