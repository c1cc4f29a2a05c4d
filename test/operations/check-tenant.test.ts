import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startService, type TestService } from '../support/start-service.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService({
    tenant: (record) => {
      if (record['id'] === 'adatum') return record;
      return record['id'] === 'fabrikam'
        ? { ...record, canarySecret: 'canary', graph: { groups: true } }
        : { ...record, ...(record['id'] === 'contoso' && { graph: { users: true } }) };
    },
  });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

interface Step {
  readonly name: string;
  readonly state: string;
  readonly [member: string]: unknown;
}
const check = async (tenant: string) =>
  (await service.post(`/tenants/${tenant}/check`, '')).body as { state: string; steps: Step[] };
const stepOf = ({ steps }: { readonly steps: readonly Step[] }, name: string) =>
  steps.find((step) => step.name === name);
const onboarding = (tenant: string) =>
  service.request().get(`/tenants/${tenant}/onboarding`).set('Authorization', `Bearer ${service.token()}`);

describe('check', () => {
  test('of a working tenant passes every step, each with its time', async () => {
    const found = await check('contoso');
    expect(found.state).toBe('passed');
    expect(found.steps.map(({ name }) => name)).toEqual([
      'configuration',
      'discovery',
      'sign-in',
      'vault of data',
      'key data',
      'wrap with data',
      'unwrap with data',
      'vault of wrap',
      'key wrap',
      'wrap with wrap',
      'unwrap with wrap',
      'directory facts',
    ]);
    for (const step of found.steps) expect(step).toMatchObject({ state: 'passed', durationMs: expect.any(Number) });
    expect(stepOf(found, 'key data')).not.toHaveProperty('warnings');
  });

  test("signs in anew each time, and gets the vault's challenge itself", async () => {
    await check('contoso');
    service.emulator.control.clearRequests();
    await check('contoso');
    expect(service.vaultCalls('entra').filter((operation) => operation === 'token').length).toBeGreaterThan(0);
    expect(service.vaultCalls('contoso')).toContain('unwrapKey');
  });

  test('of a tenant without a role fails at the key, names the party that can fix it, and skips dependent steps', async () => {
    const found = await check('northwind');
    expect(found.state).toBe('failed');
    expect(stepOf(found, 'sign-in')).toMatchObject({ state: 'passed' });
    expect(stepOf(found, 'key data')).toMatchObject({
      state: 'failed',
      code: 'access-revoked',
      reason: 'role-missing',
      detail: expect.stringContaining('may still be spreading'),
      fix: { owner: 'resource-owner', command: expect.stringContaining(service.emulator.appId) },
    });
    expect(stepOf(found, 'unwrap with data')).toEqual({
      name: 'unwrap with data',
      state: 'skipped',
      because: 'wrap with data',
    });
  });

  test('of a tenant without the app fails at the sign-in, and still checks its vault', async () => {
    const found = await check('adatum');
    expect(stepOf(found, 'sign-in')).toMatchObject({
      state: 'failed',
      reason: 'app-absent',
      fix: { owner: 'customer-admin' },
    });
    expect(stepOf(found, 'vault of data')).toMatchObject({ state: 'passed' });
    expect(stepOf(found, 'key data')).toMatchObject({ state: 'skipped', because: 'sign-in' });
  });

  test('reports a disabled key, an unreadable canary secret and a near expiry', async () => {
    const { control } = service.emulator;
    await control.setKeyAttributes({
      vault: 'fabrikam',
      key: 'archive',
      exp: Math.floor(service.clock.wallMs() / 1_000) + 86_400,
    });
    await control.disableKey({ vault: 'fabrikam', key: 'data' });
    const found = await check('fabrikam');
    await control.enableKey({ vault: 'fabrikam', key: 'data' });
    expect(stepOf(found, 'key data')).toMatchObject({
      state: 'failed',
      reason: 'key-disabled',
      fix: { owner: 'resource-owner' },
    });
    expect(stepOf(found, 'key archive')?.['warnings']).toContainEqual(expect.stringContaining('expires on'));
    expect(stepOf(found, 'directory facts')).toMatchObject({
      state: 'passed',
      warnings: [expect.stringContaining('not consented to GroupMember.Read.All')],
    });
    expect(stepOf(found, 'secret canary')).toMatchObject({ state: 'failed', fix: { owner: 'resource-owner' } });
  });

  test('reads a canary secret without ever showing it', async () => {
    const { control } = service.emulator;
    await control.setSecret({ vault: 'fabrikam', name: 'canary', value: 'tweet-tweet' });
    await control.grantRole({ vault: 'fabrikam', role: 'Key Vault Secrets User' });
    const found = await check('fabrikam');
    expect(stepOf(found, 'secret canary')).toMatchObject({ state: 'passed' });
    expect(JSON.stringify([found, service.logLines, await service.auditRecords()])).not.toContain('tweet-tweet');
  });

  test('requires Tenants.Manage, and an existing tenant', async () => {
    const reader = await service.emulator.issueCallerToken({ roles: ['Tenants.Read', 'Data.Encrypt'] });
    expect((await service.post('/tenants/contoso/check', '', reader)).body).toMatchObject({
      code: 'grant-missing',
      reason: 'Tenants.Manage',
    });
    expect((await service.post('/tenants/nobody/check', '')).body.code).toBe('tenant-not-found');
  });
});

describe('onboarding', () => {
  test('has the real ids in every command, and a check for every step', async () => {
    const { body } = await onboarding('northwind');
    const { appId, customers } = service.emulator;
    const tenantId = customers.find(({ name }) => name === 'northwind')?.tenantId ?? '';
    expect(body.steps.map(({ check: name }: { check: string }) => name)).toEqual([
      'sign-in',
      'vault of data',
      'unwrap with data',
    ]);
    expect(body.steps[0].commands[0]).toBe(
      `az login --tenant ${tenantId} --allow-no-subscriptions && az ad sp create --id ${appId}`,
    );
    expect(body.steps[1].commands[0]).toContain('--tags vaultspan-tenant=northwind');
    expect(body.steps[2].commands[0]).toContain('--role "Key Vault Crypto Service Encryption User"');
    expect(body.takeBack[0].command).toContain('--enabled false');
  });

  test('returns a script that a shell can read', async () => {
    const { body } = await onboarding('contoso');
    expect(() => execFileSync('bash', ['-n'], { input: body.script })).not.toThrow();
    expect(body.script).toContain('--name wrap');
    expect(() => execFileSync('bash', ['-n'], { input: body.revokeScript })).not.toThrow();
    expect(body.revokeScript).toContain('--name wrap');
    expect(body.doorbell.ring).toBe('curl -sS -X POST "$DOORBELL"'); // the service has no key of bells
  });

  test('makes the check pass and the tenant usable when it is followed', async () => {
    const { control } = service.emulator;
    expect((await check('northwind')).state).toBe('failed');
    await control.grantRole({ vault: 'northwind', role: 'Key Vault Crypto Service Encryption User' });
    expect((await check('northwind')).state).toBe('passed');
    service.clock.advance(11);
    expect((await service.post('/tenants/northwind/encrypt', { plaintext: 'aGk=' })).status).toBe(200);
  });
});
