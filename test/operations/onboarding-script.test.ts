import { describe, expect, test } from '@jest/globals';
import { doorbellSection, revokeScript } from '../../src/operations/doctor/doorbell-section.ts';
import { onboardingScript } from '../../src/operations/doctor/onboarding-script.ts';
import type { RegisteredKey, Tenant } from '../../src/tenants/record.ts';
import { fakeAz } from '../support/fake-az.ts';

const APP = 'c0b7e1f4-92d6-4f38-8a5b-1d64e93f7a02';
const DIRECTORY = '80c5e2b9-d36f-4712-9e84-2ba7f1064c5d';
const VAULT = 'https://northwind-kv.vault.azure.net';
const HSM = 'https://northwind-hsm.managedhsm.azure.net';

const tenantWith = (key: Partial<RegisteredKey> = {}, graph?: Tenant['graph']): Tenant => ({
  id: 'northwind',
  entraTenantId: DIRECTORY,
  state: 'active',
  keys: { data: { vaultUrl: VAULT, name: 'data', use: 'data', ...key } },
  defaultKey: 'data',
  retiredKeys: [],
  origin: 'required',
  requiredContext: [],
  revision: '1',
  createdAt: '2026-11-01T00:00:00Z',
  updatedAt: '2026-11-01T00:00:00Z',
  ...(graph && { graph }),
});
const scriptOf = (...tenant: Parameters<typeof tenantWith>): string => onboardingScript(tenantWith(...tenant), APP);

describe('the onboarding script', () => {
  test('creates everything once, and nothing on a second run', async () => {
    await using az = await fakeAz();
    const first = await az.run(scriptOf({}, { users: true }));
    expect(first).toMatchObject({ code: 0 });
    expect(first.changes.map((command) => command.split(' --')[0])).toEqual([
      'az login',
      'az ad sp create',
      'az rest',
      'az account set',
      'az keyvault update',
      'az keyvault key create',
      'az role assignment create',
    ]);
    const all = first.changes.join('\n');
    expect(all).toContain('account set --subscription sub-right');
    expect(all).toContain('--name northwind-kv --enable-purge-protection true');
    expect(all).toContain('--tags vaultspan-tenant=northwind');
    expect(all).toContain('--assignee-object-id object-1 --assignee-principal-type ServicePrincipal');
    expect(all).toContain('--body {"principalId":"object-1","resourceId":"graph-1","appRoleId":"role-1"}');
    const second = await az.run(scriptOf({}, { users: true }));
    expect(second).toMatchObject({ code: 0, changes: ['az account set --subscription sub-right'] });
  });

  test('for a Managed HSM looks the role up before it assigns it, because a second assignment would fail', async () => {
    await using az = await fakeAz({ keyType: 'oct-HSM' });
    const script = scriptOf({ vaultUrl: HSM, algorithm: 'A256KW' });
    const first = await az.run(script);
    expect(first.code).toBe(0);
    expect(first.changes.at(-1)).toMatch(/^az keyvault role assignment create --hsm-name northwind-hsm /);
    expect(first.changes.join('\n')).toContain('az keyvault update-hsm --hsm-name northwind-hsm');
    expect((await az.run(script)).changes).toEqual(['az account set --subscription sub-right']);
  });

  test('sets an access policy if the vault uses them', async () => {
    await using az = await fakeAz({ usesRoles: false });
    const { changes } = await az.run(scriptOf());
    expect(changes.at(-1)).toContain(`set-policy --name northwind-kv --spn ${APP}`);
  });

  test('tags an existing key, and keeps its other tags', async () => {
    await using az = await fakeAz({ tags: { team: 'the payroll team', cost: '7' } });
    const { code, changes } = await az.run(scriptOf());
    expect(code).toBe(0);
    expect(changes.find((command) => command.includes('set-attributes'))).toContain(
      '--tags team=the payroll team cost=7 vaultspan-tenant=northwind',
    );
  });

  test.each([
    ['the key is tagged for another tenant', { tags: { 'vaultspan-tenant': 'contoso' } }, 'tagged for another tenant'],
    ['the key is an EC key', { tags: {}, keyType: 'EC' }, 'is of type EC'],
  ])('stops where %s, before the role is granted', async (_case, world, complaint) => {
    await using az = await fakeAz(world);
    const { code, stderr, changes } = await az.run(scriptOf());
    expect(code).not.toBe(0);
    expect(stderr).toContain(complaint);
    expect(changes.join('\n')).not.toContain('role assignment create');
  });

  test.each([
    ['ad sp list'],
    ['account list'],
    ['keyvault show --subscription'],
    ['keyvault show --name northwind-kv --query id'],
    ['keyvault show --name northwind-kv --query properties.enableRbac'],
    ['keyvault key show --vault-name northwind-kv --name data --query'],
    ['role assignment list'],
  ])('stops where %s fails, and grants nothing', async (failing) => {
    await using az = await fakeAz({ failing });
    const { code, changes } = await az.run(scriptOf());
    expect(code).not.toBe(0);
    expect(changes.join('\n')).not.toMatch(/role assignment create|set-policy/);
  });
});

describe('the revoke script', () => {
  const BELL = 'https://keys.vendor.example/doorbell/q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA';
  const disabled = ['1', '2'].map(
    (version) => `az keyvault key set-attributes --enabled false --id https://kv/keys/data/${version}`,
  );

  test('disables every version of the key and then rings the doorbell; a second run does the same', async () => {
    await using az = await fakeAz();
    const script = revokeScript(tenantWith(), BELL);
    for (const run of [1, 2]) {
      const { code, changes } = await az.run(script);
      expect([run, code, changes.slice(0, 2)]).toEqual([run, 0, disabled]);
      expect(changes.slice(2)).toEqual([expect.stringMatching(/^curl .*-X POST .*/)]);
      expect(changes.at(-1)?.endsWith(` ${BELL}`)).toBe(true);
    }
  });

  test.each([
    ['keyvault key list-versions', 'was not disabled'],
    ['keyvault key set-attributes', 'was not disabled'],
  ])('rings also when %s fails, and fails', async (failing, complaint) => {
    await using az = await fakeAz({ failing });
    const { code, stderr, changes } = await az.run(revokeScript(tenantWith(), BELL));
    expect([code, stderr]).toEqual([1, expect.stringContaining(complaint)]);
    expect(changes.at(-1)).toContain(BELL);
  });

  test('fails when the doorbell is not answered', async () => {
    await using az = await fakeAz({ failing: 'curl' });
    const { code, changes } = await az.run(revokeScript(tenantWith(), BELL));
    expect([code, changes.slice(0, 2)]).toEqual([1, disabled]);
  });

  test('without a doorbell disables the key and says what applies', async () => {
    await using az = await fakeAz();
    const { code, stderr, changes } = await az.run(revokeScript(tenantWith(), undefined));
    expect([code, changes]).toEqual([0, disabled]);
    expect(stderr).toContain('set DOORBELL');
  });
});

describe('the subscription of the doorbell', () => {
  test('is one template, deployed beside each vault of the tenant, with the address of the bell', () => {
    const { eventGrid, ring } = doorbellSection(tenantWith(), 'https://keys.vendor.example/doorbell/abc');
    const [template = '', deploy = ''] = eventGrid;
    expect(eventGrid).toHaveLength(2);
    expect(template).toContain("'Microsoft.KeyVault.VaultAccessPolicyChanged'");
    expect(deploy).toContain("vault=northwind-kv doorbell='https://keys.vendor.example/doorbell/abc'");
    expect(ring).toBe("curl -sS -X POST 'https://keys.vendor.example/doorbell/abc'");
  });

  test('does not exist for a Managed HSM, which has no events', () => {
    expect(doorbellSection(tenantWith({ vaultUrl: HSM }), undefined)).toMatchObject({
      eventGrid: [],
      ring: 'curl -sS -X POST "$DOORBELL"',
      explanation: expect.stringContaining('Set DOORBELL'),
    });
  });
});
