import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { openLocally, sealLocally } from '../support/lease-holder.ts';
import {
  CONTEXT,
  checked,
  type Lease,
  leaseSite,
  MAX_SECONDS,
  NO_LEASE,
  NOTHING,
  refusalOf,
} from '../support/lease-site.ts';
import { formsOf } from '../support/planted.ts';
import { startSecondProcess } from '../support/second-process.ts';
import { ALL_ROLES, branchKeysIn } from '../support/start-service.ts';

const { decrypted, get, lease, open, patch, post, recordsOf, report, service, tokenOf } = leaseSite();

describe('a lease', () => {
  test('encrypts without a call what the service decrypts, and ends within leases.maxSeconds', async () => {
    const before = service().clock.wallMs();
    const response = checked(await post('contoso/leases', {}), 200);
    const { key, ...shown } = response.body as Lease;
    expect(shown).toEqual({
      leaseId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      kid: expect.stringMatching(/^[\w-]{22}$/),
      keyId: expect.stringMatching(/\/keys\/data\/[0-9a-f]{32}$/),
      expiresInSeconds: expect.any(Number),
      expiresAt: expect.any(String),
      maxMessages: 2 ** 24,
      maxBytes: 2 ** 36,
      maxPlaintextBytes: 1_048_576,
      requiredContext: ['purpose'],
    });
    expect(shown.expiresInSeconds).toBeLessThanOrEqual(MAX_SECONDS);
    expect(shown.expiresInSeconds).toBeGreaterThan(MAX_SECONDS - 20);
    expect(Date.parse(shown.expiresAt) - before).toBeLessThanOrEqual((MAX_SECONDS + 20) * 1_000);
    expect(response.headers['cache-control']).toBe('no-store');
    expect(Buffer.from(String(key), 'base64')).toHaveLength(32);
    const message = sealLocally({ kid: shown.kid, key }, 'a value', CONTEXT);
    expect(await decrypted(message, CONTEXT)).toBe('a value');
    expect(await decrypted(message)).toBe('undecryptable');
    expect(await decrypted(message, CONTEXT, 'fabrikam')).toBe('unknown-key');
  });

  test('ends with the proof of access where the record allows more', async () => {
    const { expiresInSeconds } = await lease('fabrikam');
    expect(expiresInSeconds).toBeLessThanOrEqual(300);
    expect(expiresInSeconds).toBeGreaterThanOrEqual(149);
  });

  test('is one audit record, with the leaf and the proof of access', async () => {
    const { leaseId, kid, keyId } = await lease();
    const record = (await recordsOf('lease')).find((candidate) => candidate['lease'] === leaseId);
    expect(record).toMatchObject({
      outcome: 'succeeded',
      tenantId: 'contoso',
      keyId,
      leaves: [kid],
      vaultRequestId: expect.any(String),
      principal: expect.any(String),
    });
  });

  test('is moved, documented and counted like any message: rewrap takes it', async () => {
    const message = sealLocally(await lease(), 'a value', CONTEXT);
    const { body } = await post('contoso/rewrap', { ciphertext: message, encryptionContext: CONTEXT });
    expect(await decrypted(body.ciphertext, CONTEXT)).toBe('a value');
    expect(refusalOf(await open([{ ciphertext: body.ciphertext, encryptionContext: CONTEXT }]))).toBe('200');
  });
});

describe('opening leaves', () => {
  test('gives the key of each message that opens, and an error for each other', async () => {
    const [one, other] = [await lease(), await lease()];
    const ciphertext = sealLocally(one, 'a value', CONTEXT);
    const service_ = await post('contoso/encrypt', { plaintext: 'aGk=', encryptionContext: CONTEXT });
    const forged = sealLocally({ kid: other.kid, key: one.key }, 'forged', CONTEXT);
    const foreign = sealLocally(await lease('fabrikam'), 'a value', CONTEXT);
    const response = await open([
      { ciphertext, encryptionContext: CONTEXT },
      { ciphertext },
      { ciphertext: forged, encryptionContext: CONTEXT },
      { ciphertext: service_.body.ciphertext, encryptionContext: CONTEXT },
      { ciphertext: foreign, encryptionContext: CONTEXT },
      { ciphertext: `${ciphertext.slice(0, -1)}=`, encryptionContext: CONTEXT },
      { ciphertext: one.kid },
      { kid: one.kid },
      { ciphertext, encryptionContext: { purpose: 1 } },
    ]);
    expect(response.status).toBe(200);
    expect(response.headers['cache-control']).toBe('no-store');
    const [opened, ...failed] = response.body.items;
    expect(opened).toEqual({
      kid: one.kid,
      key: one.key,
      keyId: one.keyId,
      expiresInSeconds: expect.any(Number),
      expiresAt: expect.any(String),
    });
    expect(opened.expiresInSeconds).toBeLessThanOrEqual(MAX_SECONDS);
    expect(openLocally(opened, ciphertext, CONTEXT)).toBe('a value');
    expect(
      failed.map(({ error }: { error: { code: string; reason?: string } }) => `${error.code} ${error.reason}`),
    ).toEqual([
      'undecryptable undefined',
      'undecryptable undefined',
      'unknown-key not-leased',
      'unknown-key branch-unknown',
      'malformed-ciphertext undefined',
      'unknown-key not-leased',
      'malformed-request undefined',
      'malformed-request undefined',
    ]);
    expect(failed[2].error.errors[0].pointer).toBe('/messages/3/ciphertext');
    expect(JSON.stringify(failed)).not.toContain(String(one.key).slice(0, 20));
  });

  test('takes a field of a document with its name, and no other name', async () => {
    const held = await lease();
    const fields = { email: sealLocally(held, 'ann@example.org', CONTEXT, 'email') };
    const { body } = await post('contoso/documents/decrypt', { fields, encryptionContext: CONTEXT });
    expect(Buffer.from(body.fields.email, 'base64').toString()).toBe('ann@example.org');
    const message = { ciphertext: fields.email, encryptionContext: CONTEXT };
    const response = await open([
      { ...message, field: 'email' },
      { ...message, field: 'name' },
      message,
      { ...message, field: '' },
      { ...message, field: 'n'.repeat(129) },
      { ...message, field: '\ud800' },
    ]);
    expect(
      response.body.items.map(({ key, error }: { key?: string; error?: { code: string } }) => key ?? error?.code),
    ).toEqual([
      held.key,
      'undecryptable',
      'undecryptable',
      'malformed-request',
      'malformed-request',
      'malformed-request',
    ]);
  });

  test('takes at most 100 messages, and only messages', async () => {
    const ciphertext = sealLocally(await lease(), 'a value', CONTEXT);
    const message = { ciphertext, encryptionContext: CONTEXT };
    const many = await open(Array.from({ length: 100 }, () => message));
    expect(new Set(many.body.items.map(({ kid }: Lease) => kid)).size).toBe(1);
    expect(refusalOf(await open(Array.from({ length: 101 }, () => message)))).toBe('400 malformed-request');
    expect(refusalOf(await post('contoso/leases/open', { kids: ['ICEiIyQlJieAAQIDBAUGBw'] }))).toBe(
      '400 malformed-request',
    );
    expect((await open([])).body).toEqual({ items: [] });
  });

  test('is one audit record with every leaf and no key', async () => {
    const leases = [await lease(), await lease()];
    await open(leases.map((one) => ({ ciphertext: sealLocally(one, 'a value', CONTEXT), encryptionContext: CONTEXT })));
    const record = (await recordsOf('lease-open')).at(-1);
    expect(record).toMatchObject({
      items: { succeeded: 2 },
      leaves: leases.map(({ kid }) => kid),
      outcome: 'succeeded',
    });
    const audit = JSON.stringify(await service().auditRecords());
    for (const { key } of leases) expect(audit).not.toContain(String(key).slice(0, 20));
  });
});

describe('a caller', () => {
  test.each([
    ['leases', 'Keys.Lease', ['Data.Encrypt', 'Data.Decrypt']],
    ['leases', 'Data.Encrypt', ['Keys.Lease', 'Data.Decrypt']],
    ['leases/open', 'Keys.Lease', ['Data.Encrypt', 'Data.Decrypt']],
    ['leases/open', 'Data.Encrypt', ['Keys.Lease', 'Data.Decrypt']],
    ['leases/open', 'Data.Decrypt', ['Keys.Lease', 'Data.Encrypt']],
    [`leases/${NO_LEASE}/usage`, 'Keys.Lease', ['Data.Encrypt', 'Data.Decrypt']],
  ])('of %s needs %s, whatever else it has', async (path, missing, roles) => {
    for (const body of [{}, { messages: [] }, NOTHING]) {
      const response = await post(`contoso/${path}`, body, await tokenOf(roles));
      expect(refusalOf(response)).toBe(`403 grant-missing ${missing}`);
    }
  });

  test('that is limited to other tenants finds none here', async () => {
    const token = await tokenOf(ALL_ROLES, 'of-fabrikam');
    for (const path of ['leases', 'leases/open', `leases/${NO_LEASE}/usage`]) {
      expect(refusalOf(await post(`contoso/${path}`, {}, token))).toBe('404 tenant-not-found');
    }
  });

  test('has no leases of a tenant whose record has none', async () => {
    const ciphertext = sealLocally(await lease(), 'a value', CONTEXT);
    expect(refusalOf(await post('northwind/leases', {}))).toMatch(/^(409 key-use leases-off|403)/);
    expect(refusalOf(await post('tailspin/leases', {}))).toBe('404 tenant-not-found');
    await patch('fabrikam', { leases: null });
    expect(refusalOf(await post('fabrikam/leases', {}))).toBe('409 key-use leases-off');
    expect(refusalOf(await open([{ ciphertext }], 'fabrikam'))).toBe('409 key-use leases-off');
    await patch('fabrikam', { leases: { maxSeconds: 3_600 } });
    expect(refusalOf(await post('fabrikam/leases', {}))).toBe('200');
  });

  test('names an alias of a data key, or nothing', async () => {
    expect(refusalOf(await post('contoso/leases', { key: 'none' }))).toBe('422 unknown-key-alias');
    expect(refusalOf(await post('contoso/leases', { key: 'wrap' }))).toBe('409 key-use');
    expect(refusalOf(await post('contoso/leases', { kid: 'ICEiIyQlJieAAQIDBAUGBw' }))).toBe('400 malformed-request');
  });
});

describe('a record with leases', () => {
  test.each([
    [{ leases: { maxSeconds: 9 } }, '/leases/maxSeconds'],
    [{ leases: { maxSeconds: 3_601 } }, '/leases/maxSeconds'],
    [{ leases: { maxSeconds: 60, minSeconds: 1 } }, '/leases/minSeconds'],
    [{ leases: 60 }, '/leases'],
    [{ revocationBoundSeconds: 0 }, '/leases'],
    [{ dataKeys: { mode: 'perMessage' } }, '/leases'],
    [{ requiredAccess: ['subject'] }, '/leases'],
  ])('is refused with %j', async (change, pointer) => {
    const { status, body } = await patch('contoso', change);
    expect([status, body.code, body.errors[0].pointer]).toEqual([400, 'malformed-request', pointer]);
  });

  test('is refused without a compact key', async () => {
    const { keys } = (await get('contoso')).body as { readonly keys: Record<string, object> };
    const forms = Object.fromEntries(Object.keys(keys).map((alias) => [alias, { form: null, fallback: null }]));
    const { status, body } = await patch('contoso', { keys: forms });
    expect([status, body.errors[0]]).toEqual([400, { pointer: '/leases', detail: 'need a key with form: compact' }]);
  });
});

describe('a holder', () => {
  test('of a suspended tenant gets nothing more, and may still report', async () => {
    const held = await lease('fabrikam');
    const ciphertext = sealLocally(held, 'a value');
    checked(await post('fabrikam/suspend', ''), 200);
    expect(refusalOf(await post('fabrikam/leases', {}))).toBe('403 tenant-suspended');
    expect(refusalOf(await open([{ ciphertext }], 'fabrikam'))).toBe('403 tenant-suspended');
    expect(refusalOf(await report(held, { sealed: 1, isFinal: true }, 'fabrikam'))).toBe('204');
    checked(await post('fabrikam/resume', ''), 200);
  });

  test('whose customer revokes gets nothing more within the bound, and may still report', async () => {
    const held = await lease('fabrikam');
    const ciphertext = sealLocally(held, 'a value');
    await service().emulator.control.disableKey({ vault: 'fabrikam', key: 'data' });
    service().clock.advance(301);
    expect(refusalOf(await post('fabrikam/leases', {}))).toMatch(/^403 access-revoked/);
    const { items } = (await open([{ ciphertext }], 'fabrikam')).body;
    expect(items[0].error.code).toBe('access-revoked');
    expect(refusalOf(await report(held, { sealed: 1, isFinal: true }, 'fabrikam'))).toBe('204');
  });
});

describe('a second process', () => {
  test('opens the leaf of a lease that the first gave, and accepts its report', async () => {
    await using other = await startSecondProcess(service(), {
      registry: {},
      database: { file: join(service().folder, 'vaultspan.db') },
      audit: { directory: join(service().folder, 'audit') },
      branchKeys: branchKeysIn(service().folder),
    });
    const [first, second] = [await lease(), await lease()];
    const ciphertext = sealLocally(first, 'a value', CONTEXT);
    const message = { ciphertext, encryptionContext: CONTEXT };
    const opened = await other.post('/tenants/contoso/leases/open', { messages: [message] }, await tokenOf());
    expect(opened.body.items[0]).toMatchObject({ kid: first.kid, key: first.key });
    const usage = { ...NOTHING, opened: { [first.kid]: 1 } };
    const path = `/tenants/contoso/leases/${second.leaseId}/usage`;
    checked(await other.post(path, { ...usage, isFinal: true }, await tokenOf()), 204);
    expect(refusalOf(await report(second, { sealed: 1 }))).toBe('400 malformed-request lease-finished');
  });
});

test('no key of a leaf is in the audit log, the log, the metrics or a refusal', async () => {
  const held = await lease();
  const message = { ciphertext: sealLocally(held, 'a value', CONTEXT), encryptionContext: CONTEXT };
  const answers = [
    await post('contoso/leases', held),
    await open([
      { ...message, key: held.key },
      { ...message, encryptionContext: {} },
    ]),
    await report(held, { key: held.key }),
    await report(held, { opened: { [held.kid]: -1 } }),
  ];
  checked(await open([message]), 200);
  checked(await report(held, { sealed: 1, isFinal: true }), 204);
  const metrics = await (await fetch(service().metricsUrl)).text();
  const audit = JSON.stringify(await service().auditRecords());
  expect(audit).toContain(held.leaseId);
  const texts = [audit, service().logLines.join(''), metrics, ...answers.map(({ text }) => text)];
  expect(texts.every((text) => text.length > 100)).toBe(true);
  for (const form of formsOf(Buffer.from(String(held.key), 'base64'))) {
    for (const text of texts) expect(text).not.toContain(form);
  }
});
