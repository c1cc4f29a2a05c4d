import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { personToken } from '../support/person-token.ts';
import { ALL_ROLES, startService, type TestService } from '../support/start-service.ts';

const REDIRECT_URI = 'http://127.0.0.1:8080/console/';
const [OPERATOR, AUDITOR, NOBODY] = [1, 2, 3].map((last) => `0d1f6c3e-84a2-4b57-9c0d-e1f2a3b4c50${last}`) as [
  string,
  string,
  string,
];
let service: TestService;
beforeAll(async () => {
  service = await startService({
    console: true,
    limits: { [OPERATOR]: ['*'], [NOBODY]: ['*'], [AUDITOR]: ['northwind'] },
  });
  service.emulator.registerConsole([REDIRECT_URI]);
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const tokenOf = (person: string) => personToken(service.emulator, person, REDIRECT_URI);
const get = (path: string, token: string) => service.request().get(path).set('Authorization', `Bearer ${token}`);
/** Returns a token as the console's, with other claims. */
const forged = (claims: Record<string, unknown>) =>
  service.emulator.issueCallerToken({
    roles: ALL_ROLES,
    claims: {
      azp: service.emulator.consoleClientId,
      scp: 'access_as_user',
      oid: OPERATOR,
      idtyp: undefined,
      ...claims,
    },
  });

describe('a token that acts for a person', () => {
  test('has the roles of the person: the operator changes, the auditor reads, nobody does neither', async () => {
    const [operator, auditor, nobody] = await Promise.all(['operator', 'auditor', 'nobody'].map(tokenOf));
    expect((await get('/tenants', operator ?? '')).status).toBe(200);
    expect((await service.post('/tenants/contoso/check', '', operator)).status).toBe(200);
    expect((await get('/tenants', auditor ?? '')).status).toBe(200);
    expect((await service.post('/tenants/northwind/check', '', auditor)).body).toMatchObject({
      code: 'grant-missing',
      reason: 'Tenants.Manage',
    });
    expect((await get('/tenants', nobody ?? '')).body).toMatchObject({ code: 'grant-missing', reason: 'Tenants.Read' });
  });

  test('is recorded under the person, not under the app', async () => {
    await get('/overview', await tokenOf('operator'));
    const records = await service.auditRecords();
    const { principal } = records.find(({ operation }) => operation === 'overview') ?? {};
    expect(principal).toBe(`${service.emulator.callerIssuer}#${OPERATOR}`);
  });

  test('of the console serves', async () => {
    expect((await get('/tenants', await forged({}))).status).toBe(200);
    expect((await get('/tenants', await forged({ scp: 'openid access_as_user' }))).status).toBe(200);
  });

  test.each<[string, Record<string, unknown>]>([
    ['another app got', { azp: '914ef3b2-5d08-4c7a-a6e9-30f7b8125dc4' }],
    ['no app is named in', { azp: undefined }],
    ['lacks the permission', { scp: 'openid profile' }],
    ['has a permission whose name only begins so', { scp: 'access_as_user_too' }],
    ['has an empty permission', { scp: '' }],
    ['has a permission that is no text', { scp: ['access_as_user'] }],
    ['names no person', { oid: undefined }],
  ])('that %s is refused', async (_what, claims) => {
    const { status, body, headers } = await get('/tenants', await forged(claims));
    expect([status, body.code]).toEqual([401, 'unauthenticated']);
    expect(headers['www-authenticate']).toContain('delegated');
  });

  test('is limited as its person is; a person that is not listed has no tenant', async () => {
    const listed = async (token: string) =>
      (await get('/tenants', token)).body.tenants.map(({ id }: { readonly id: string }) => id);
    expect(await listed(await tokenOf('auditor'))).toEqual(['northwind']);
    expect(await listed(await forged({ oid: 'somebody-else' }))).toEqual([]);
  });
});
