import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ALL_ROLES, startService, type TestService } from '../support/start-service.ts';

const plaintext = 'aGk=';
type Answer = { readonly status: number; readonly body: { readonly [member: string]: never } };

const post = (service: TestService, operation: string, body: object): Promise<Answer> =>
  service.post(`/tenants/contoso/${operation}`, body) as unknown as Promise<Answer>;
const tag = (service: TestService, key: string, tags: Record<string, string>) =>
  service.emulator.control.setKeyAttributes({ vault: 'contoso', key, tags });

describe('by default', () => {
  let service: TestService;
  let sealed: object;
  let wrapped: object;
  beforeAll(async () => {
    service = await startService();
    sealed = { ciphertext: (await post(service, 'encrypt', { plaintext })).body['ciphertext'] };
    wrapped = (await post(service, 'wrap', { value: plaintext, key: 'wrap' })).body;
  });
  afterAll(async () => {
    await service[Symbol.asyncDispose]();
  });

  describe.each([
    ['a key without the tag', {}],
    ['a key tagged for another tenant', { 'vaultspan-tenant': 'fabrikam' }],
  ])('%s', (_key, tags) => {
    beforeAll(async () => {
      for (const key of ['data', 'wrap']) await tag(service, key, tags);
      service.clock.advance(901); // proofs, data keys and cached tags have expired
    });
    afterAll(async () => {
      for (const key of ['data', 'wrap']) await tag(service, key, { 'vaultspan-tenant': 'contoso' });
      service.clock.advance(11);
    });

    test.each([
      ['encrypt', () => ({ plaintext })],
      ['decrypt', () => sealed],
      ['data-keys', () => ({})],
      ['rewrap', () => sealed],
      ['wrap', () => ({ value: plaintext, key: 'wrap' })],
      ['unwrap', () => wrapped],
    ])('is refused for %s, and the vault is not called to wrap or unwrap', async (operation, body) => {
      service.clock.advance(11);
      service.emulator.control.clearRequests();
      const answer = await post(service, operation, body());
      expect([answer.status, answer.body['code'], answer.body['reason']]).toEqual([
        409,
        'tenant-misconfigured',
        'tag-missing',
      ]);
      expect(answer.body['fix']).toMatchObject({
        command: expect.stringMatching(/set-attributes .*--tags vaultspan-tenant=contoso$/),
      });
      expect(service.vaultCalls('contoso')).not.toContain('unwrapKey');
      expect(service.vaultCalls('contoso')).not.toContain('wrapKey');
    });

    test('fails the doctor’s step of the key', async () => {
      const { steps } = (await post(service, 'check', {})).body as unknown as { steps: readonly object[] };
      expect(steps).toContainEqual(
        expect.objectContaining({ name: 'key data', state: 'failed', reason: 'tag-missing' }),
      );
    });
  });

  test('all work with the tag, which is read from time to time and not for each call', async () => {
    service.clock.advance(901);
    service.emulator.control.clearRequests();
    for (const body of [wrapped, wrapped, wrapped]) expect((await post(service, 'unwrap', body)).status).toBe(200);
    expect((await post(service, 'decrypt', sealed)).status).toBe(200);
    expect(service.vaultCalls('contoso').filter((operation) => operation === 'getKey')).toHaveLength(2);
  });

  test("the command keeps the customer's other tags, which the CLI replaces, as words of a shell", async () => {
    await tag(service, 'data', { team: "O'Neil; rm -rf ~" });
    service.clock.advance(901);
    const { fix } = (await post(service, 'encrypt', { plaintext })).body as unknown as { fix: { command: string } };
    await tag(service, 'data', { 'vaultspan-tenant': 'contoso' });
    expect(fix.command).toMatch(/--tags 'team=O'\\''Neil; rm -rf ~' vaultspan-tenant=contoso$/);
  });

  test.each([
    ['encrypt', () => ({ plaintext })],
    ['decrypt', () => sealed],
    ['data-keys', () => ({})],
    ['unwrap', () => wrapped],
  ])('a cold %s reads the key once, for its tag and its policy', async (operation, body) => {
    for (const key of ['data', 'wrap']) {
      await tag(service, key, { 'vaultspan-tenant': 'contoso', 'vaultspan-bound': '60' });
    }
    service.clock.advance(3_601);
    service.emulator.control.clearRequests();
    const token = await service.emulator.issueCallerToken({ roles: ALL_ROLES });
    expect((await service.post(`/tenants/contoso/${operation}`, body(), token)).status).toBe(200);
    expect(service.vaultCalls('contoso').filter((call) => call === 'getKey')).toHaveLength(1);
  });
});
