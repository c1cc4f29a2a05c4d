import { createSecretKey } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { isCompact } from '../../src/format/compact.ts';
import { BOUND, CMK_V2, codeOf, Deployment, settle, tenantRecord } from '../support/deployment.ts';
import { refusal } from '../support/jwk-key-wrapper.ts';
import type { MemoryKeyring } from '../support/memory-keyring.ts';

const DAY = 86_400;
const { keys } = tenantRecord();
const compactTenant = (fallback?: 'refuse') =>
  tenantRecord({
    keys: {
      ...keys,
      cmk: { ...(keys['cmk'] as (typeof keys)[string]), form: 'compact', ...(fallback && { fallback }) },
    },
  });

/** Returns a deployment whose branches seal at once, unless a test wants them to settle. */
function ready(change: { readonly settleMs?: number; readonly fallback?: 'refuse' } = {}) {
  const deployment = new Deployment();
  deployment.register(compactTenant(change.fallback));
  deployment.branchSettings = { ...deployment.branchSettings, settleMs: change.settleMs ?? 0 };
  return { deployment, keyring: deployment.withKeyring() };
}

/** Returns the rows of the clock's first day. */
const today = ({ rows }: MemoryKeyring) => rows.filter(({ label }) => label === '2026-11-23T00:00:00Z');

describe('a compact message', () => {
  test('opens in any process, only under its tenant and context', async () => {
    const { deployment } = ready();
    const [one, other] = [deployment.start(), deployment.start()];
    const sealed = await one.encrypt('a value', { context: { row: '1' } });
    expect(isCompact(sealed)).toBe(true);
    expect(sealed).toHaveLength(80 + 2 + 16 + 1 + 10 + 1 + 22);
    expect((await one.decrypt(sealed, { context: { row: '1' } })).toString()).toBe('a value');
    expect((await other.decrypt(sealed, { context: { row: '1' } })).toString()).toBe('a value');
    expect(await codeOf(other.decrypt(sealed, { context: { row: '2' } }))).toBe('undecryptable');
    expect(await codeOf(other.decrypt(sealed))).toBe('undecryptable');
    deployment.register(tenantRecord({ id: 'fabrikam' }));
    expect(await codeOf(other.decrypt(sealed, { tenantId: 'fabrikam', context: { row: '1' } }))).toBe('unknown-key');
  });

  test('costs no vault call once its branch is open', async () => {
    const { deployment } = ready();
    const process = deployment.start();
    await process.encrypt();
    deployment.vault.takeCalls();
    const sealed = await process.encrypt('another', { context: { row: '2' } });
    await process.decrypt(sealed, { context: { row: '2' } });
    expect(deployment.vault.takeCalls()).toEqual([]);
  });

  test('of a year open with one unwrap for each branch', async () => {
    const { deployment } = ready();
    const process = deployment.start();
    const sealed: string[] = [];
    for (let day = 0; day < 5; day += 1) {
      sealed.push(await process.encrypt(`day ${day}`), await process.encrypt(`day ${day} again`));
      deployment.clock.advance(DAY);
    }
    const cold = deployment.start();
    deployment.vault.takeCalls();
    for (const message of sealed) await cold.decrypt(message);
    const unwraps = deployment.vault.takeCalls().filter(({ operation }) => operation === 'unwrapKey');
    expect(unwraps.length).toBeLessThanOrEqual(5);
  });

  test("has no self-contained equivalent: a branch key's own JWE is no message", async () => {
    const { deployment, keyring } = ready();
    const process = deployment.start();
    await process.encrypt();
    expect(await codeOf(process.decrypt(keyring.rows[0]?.jwe ?? ''))).toBe('malformed-ciphertext');
  });
});

describe('a branch', () => {
  test('seals only once it has settled; until then messages are self-contained', async () => {
    const { deployment, keyring } = ready({ settleMs: 600_000 });
    const process = deployment.start();
    expect(isCompact(await process.encrypt())).toBe(false);
    await settle();
    expect(keyring.rows).toHaveLength(1);
    deployment.clock.advance(599);
    expect(isCompact(await process.encrypt())).toBe(false);
    deployment.clock.advance(61);
    expect(isCompact(await process.encrypt())).toBe(true);
    expect(today(keyring)).toHaveLength(1);
  });

  test('that is not ready is refused if the record requires it, except before the first one', async () => {
    const { deployment, keyring } = ready({ settleMs: 600_000, fallback: 'refuse' });
    const process = deployment.start();
    expect(isCompact(await process.encrypt())).toBe(false);
    deployment.clock.advance(661);
    expect(isCompact(await process.encrypt())).toBe(true);
    keyring.isAway = true;
    deployment.clock.advance(61);
    await expect(process.encrypt()).rejects.toMatchObject({ code: 'registry-unavailable', reason: 'branch-not-ready' });
  });

  test('seals only after it was copied, if copies are required', async () => {
    const { deployment, keyring } = ready();
    deployment.copies = { ...deployment.copies, isRequired: true, write: async () => false };
    const process = deployment.start();
    expect(isCompact(await process.encrypt())).toBe(false);
    const [row] = keyring.rows;
    await keyring.markCopied([
      { ...row, tenantId: 'contoso', id: row?.id ?? '', jwe: row?.jwe ?? '', kid: row?.kid ?? '' },
    ]);
    expect(isCompact(await process.encrypt())).toBe(true);
  });

  test('seals only in the database that the home vault names', async () => {
    const { deployment, keyring } = ready();
    deployment.boundTo = undefined;
    const process = deployment.start();
    expect(isCompact(await process.encrypt())).toBe(false);
    expect(keyring.rows).toEqual([]);
    deployment.boundTo = 'memory';
    const sealed = await process.encrypt();
    expect(isCompact(sealed)).toBe(true);
    deployment.boundTo = 'another';
    expect(isCompact(await process.encrypt())).toBe(false);
    expect((await process.decrypt(sealed)).toString()).toBe('a value');
  });

  test("that an attacker planted opens and never seals, whatever the tenant's origin", async () => {
    const { deployment, keyring } = ready();
    deployment.register({ ...compactTenant(), origin: 'optional' });
    const [mine] = deployment.originKeys.keys;
    deployment.originKeys.keys = [createSecretKey(Buffer.alloc(32, 9))]; // the attacker who planted it has another one
    const planter = deployment.start();
    const planted = await planter.encrypt('planted');
    expect(isCompact(planted)).toBe(true);
    deployment.originKeys.keys = mine ? [mine] : [];
    const process = deployment.start();
    const sealed = await process.encrypt();
    expect(today(keyring)).toHaveLength(1);
    expect(isCompact(sealed)).toBe(false);
    expect((await process.decrypt(planted)).toString()).toBe('planted');
  });

  test('is made for the next epoch in the first quarter and seals from its beginning', async () => {
    const { deployment, keyring } = ready();
    const process = deployment.start();
    await process.encrypt();
    deployment.clock.advance(DAY / 4); // the rows are read again, in the background
    await process.encrypt();
    await settle();
    await process.encrypt();
    await settle();
    expect(keyring.rows.map(({ label }) => label)).toEqual(['2026-11-23T00:00:00Z', '2026-11-24T00:00:00Z']);
    const before = await process.encrypt();
    deployment.clock.advance(DAY);
    const after = await process.encrypt();
    const idOf = (message: string) => JSON.parse(Buffer.from(message.split('.')[0] ?? '', 'base64url').toString()).kid;
    expect(idOf(before)).not.toBe(idOf(after));
    expect(idOf(after).slice(0, 10)).toBe(keyring.rows[1]?.id.slice(0, 10));
  });

  test('made by two processes at once is one', async () => {
    const { deployment, keyring } = ready();
    const [one, other] = [deployment.start(), deployment.start()];
    await Promise.all([one.encrypt(), other.encrypt()]);
    expect(keyring.rows).toHaveLength(1);
  });

  test('that the database lost is restored by a process that holds it; a destroyed one is not', async () => {
    const { deployment, keyring } = ready();
    const process = deployment.start();
    const sealed = await process.encrypt();
    const [row] = keyring.rows;
    keyring.rows = [];
    await process.dataKeys.recheckBranches();
    expect(keyring.rows.map(({ id, jwe }) => ({ id, jwe }))).toEqual([{ id: row?.id, jwe: row?.jwe }]);
    expect(deployment.branchEvents).toEqual(['branch-created', 'branch-put-back']);
    await keyring.destroy('contoso', [row?.id ?? '']);
    await process.dataKeys.recheckBranches();
    expect(keyring.rows[0]?.jwe).toBeUndefined();
    await expect(process.decrypt(sealed)).rejects.toMatchObject({ code: 'unknown-key', reason: 'branch-destroyed' });
  });

  test('that is in no database must be restored by the vendor', async () => {
    const { deployment, keyring } = ready();
    const sealed = await deployment.start().encrypt();
    keyring.rows = [];
    await expect(deployment.start().decrypt(sealed)).rejects.toMatchObject({
      code: 'unknown-key',
      reason: 'branch-unknown',
      fix: { owner: 'vendor' },
    });
  });

  test.each([
    ['another id', { id: 'AAAAAAAAAAA' }],
    ['another epoch', { label: '2026-11-22T00:00:00Z' }],
    ['another key', { vaultKey: 'https://contoso-kv.vault.azure.net/keys/other' }],
    ['another key version', { kid: CMK_V2 }],
  ])('whose row says %s than its JWE is refused and reported', async (_what, change) => {
    const { deployment, keyring } = ready();
    const sealed = await deployment.start().encrypt();
    const leaf = Buffer.from('AAAAAAAAAAA', 'base64url');
    keyring.rows = keyring.rows.map((row) => ({ ...row, ...change }));
    const named = 'id' in change ? renamed(sealed, leaf) : sealed;
    expect(await codeOf(deployment.start().decrypt(named))).toMatch(/^(?:context-mismatch|undecryptable)$/);
    expect(deployment.disagreements).toHaveLength(1);
  });
});

/** Returns the message under a leaf of another branch. */
function renamed(message: string, branchId: Buffer): string {
  const [header = '', ...rest] = message.split('.');
  const { kid, ...members } = JSON.parse(Buffer.from(header, 'base64url').toString());
  const leaf = Buffer.concat([branchId, Buffer.from(kid, 'base64url').subarray(8)]).toString('base64url');
  return [Buffer.from(JSON.stringify({ ...members, kid: leaf })).toString('base64url'), ...rest].join('.');
}

describe('access to a branch', () => {
  test('ends within the bound after a refusal, and recovers once the vault allows it', async () => {
    const { deployment } = ready();
    const process = deployment.start();
    const sealed = await process.encrypt();
    deployment.vault.answer = () => {
      throw refusal('role-missing');
    };
    expect(await codeOf(process.decrypt(sealed))).toBe('ok'); // within the bound
    deployment.clock.advance(BOUND);
    expect(await codeOf(process.decrypt(sealed))).toBe('access-revoked');
    expect(await codeOf(process.encrypt())).toBe('access-revoked');
    deployment.vault.answer = () => undefined;
    deployment.clock.advance(61);
    expect(await codeOf(process.decrypt(sealed))).toBe('ok');
  });

  test('needs no database for five minutes, and no longer', async () => {
    const { deployment, keyring } = ready();
    const process = deployment.start();
    const sealed = await process.encrypt();
    keyring.isAway = true;
    deployment.clock.advance(200);
    expect(await codeOf(process.decrypt(sealed))).toBe('ok');
    deployment.clock.advance(101);
    expect(await codeOf(process.decrypt(sealed))).toBe('registry-unavailable');
  });

  test('calls database and vault each time if the bound is 0', async () => {
    const { deployment, keyring } = ready();
    deployment.register({ ...compactTenant(), revocationBoundSeconds: 0 });
    const process = deployment.start();
    const sealed = await process.encrypt();
    deployment.vault.takeCalls();
    const before = keyring.calls;
    await process.decrypt(sealed);
    deployment.clock.advance(1);
    await process.decrypt(sealed);
    expect(
      deployment.vault.takeCalls().filter(({ operation }) => operation === 'unwrapKey').length,
    ).toBeGreaterThanOrEqual(2);
    expect(keyring.calls - before).toBeGreaterThanOrEqual(2);
  });
});
