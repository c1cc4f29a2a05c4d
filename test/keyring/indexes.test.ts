import { createSecretKey } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { CMK_V2, codeOf, Deployment, tenantRecord } from '../support/deployment.ts';
import { INDEXES, readyIndexes, SETTLE } from '../support/ready-indexes.ts';

const states = (versions: readonly { readonly version: number; readonly state: string }[]) =>
  Object.fromEntries(versions.map(({ version, state }) => [version, state]));

const refused = (reason: string) => expect.objectContaining({ reason });

describe('tokens of an index', () => {
  test('are equal for equal values in every process, and only there', async () => {
    const { deployment, process } = await readyIndexes();
    const { write, search } = await process.tokens();
    expect(write).toEqual({ version: 1, token: search[1] });
    expect(Buffer.from(write.token ?? '', 'base64url')).toHaveLength(16);
    expect(await deployment.start().tokens()).toEqual({ write, search });
    const others = [
      await process.tokens('Ann@example.org'),
      await process.tokens('ann@example.org', { name: 'name' }),
      await (async () => {
        deployment.register(tenantRecord({ id: 'fabrikam', indexes: INDEXES }));
        await process.makeIndexKeys('fabrikam');
        deployment.clock.advance(SETTLE);
        return process.tokens('ann@example.org', { tenantId: 'fabrikam' });
      })(),
    ];
    expect(new Set([write.token, ...others.map((other) => other.write.token)]).size).toBe(4);
  });

  test('cost neither vault nor database once the keys are in memory', async () => {
    const { deployment, keyring, process } = await readyIndexes();
    await process.tokens();
    deployment.vault.takeCalls();
    const before = keyring.calls;
    await process.tokens('another');
    expect(deployment.vault.takeCalls()).toEqual([]);
    expect(keyring.calls).toBe(before);
  });

  test('need an index in the record; one that returns to it has its old tokens', async () => {
    const { deployment, process } = await readyIndexes();
    const { write } = await process.tokens();
    deployment.register(tenantRecord({ revision: '2' }));
    expect(await codeOf(process.tokens())).toBe('index-not-found');
    expect(await codeOf(process.rotateIndex())).toBe('index-not-found');
    deployment.register(tenantRecord({ revision: '3', indexes: { email: { bits: 32 } } }));
    expect((await process.tokens()).write).toEqual(write);
  });

  test('of a member that every object inherits need an index too', async () => {
    const { process } = await readyIndexes();
    for (const name of ['constructor', 'toString', '__proto__'])
      expect(await codeOf(process.tokens('a', { name }))).toBe('index-not-found');
  });

  test('name the value that cannot be normalised, and not its content', async () => {
    const { process } = await readyIndexes();
    const refusal = await process.tokens('secret\u0378', { name: 'name' }).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'malformed-request', errors: [{ pointer: '/values/0' }] });
    expect(JSON.stringify(refusal)).not.toContain('secret');
    expect(await codeOf(process.tokens(Buffer.of(0xff), { name: 'name' }))).toBe('malformed-request');
    expect(await codeOf(process.tokens(Buffer.of(0xff)))).toBe('ok');
  });

  test('are recorded with the index, the number of values and the proof, and never with a value', async () => {
    const { process } = await readyIndexes();
    await process.tokens('secret');
    const record = process.audited.find(({ operation }) => operation === 'index-tokens');
    expect(record).toMatchObject({ index: 'email', items: { succeeded: 1 }, bytes: 6, keys: [{ count: 1 }] });
    expect(record?.keys?.[0]?.vaultClientRequestId).toBeDefined();
    expect(JSON.stringify(process.audited)).not.toContain('secret');
  });
});

describe('the key of an index', () => {
  test('is made for the record, once, and never by a look-up', async () => {
    const deployment = new Deployment();
    deployment.register(tenantRecord({ indexes: INDEXES }));
    const keyring = deployment.withKeyring();
    const [one, other] = [deployment.start(), deployment.start()];
    await expect(one.tokens()).rejects.toMatchObject({ code: 'registry-unavailable', reason: 'index-not-ready' });
    expect(keyring.rows).toEqual([]);
    await Promise.all([one.makeIndexKeys(), other.makeIndexKeys()]);
    await other.makeIndexKeys();
    expect(keyring.rows.map(({ label }) => label)).toEqual(['email 1 128 none', 'name 1 64 nfc']);
  });

  test('is used only once it has settled and was copied', async () => {
    const deployment = new Deployment();
    deployment.register(tenantRecord({ indexes: { email: {} } }));
    deployment.copies = { ...deployment.copies, isRequired: true, write: async () => false };
    const keyring = deployment.withKeyring();
    const process = deployment.start();
    await process.makeIndexKeys();
    await expect(process.tokens()).rejects.toEqual(refused('index-not-ready'));
    deployment.clock.advance(SETTLE);
    await expect(process.tokens()).rejects.toEqual(refused('index-not-ready'));
    const [row] = keyring.rows;
    if (row?.jwe !== undefined) await keyring.markCopied([{ ...row, jwe: row.jwe }]);
    expect(await codeOf(process.tokens())).toBe('ok');
  });

  test('without a copy is copied by the next recheck', async () => {
    const deployment = new Deployment();
    deployment.register(tenantRecord({ indexes: { email: {} } }));
    const full = async (): Promise<boolean> => {
      throw new Error('ENOSPC');
    };
    const copies = { ...deployment.copies, isRequired: true, write: full };
    deployment.copies = copies;
    deployment.withKeyring();
    const process = deployment.start();
    await expect(process.makeIndexKeys()).rejects.toThrow('ENOSPC');
    deployment.clock.advance(SETTLE);
    await expect(process.tokens()).rejects.toEqual(refused('index-not-ready'));
    copies.write = async () => true;
    await process.dataKeys.recheckBranches();
    expect(await codeOf(process.tokens())).toBe('ok');
  });

  test('is neither made nor used in a database that was not enabled', async () => {
    const { deployment, keyring, process } = await readyIndexes();
    deployment.boundTo = 'another';
    await expect(process.tokens()).rejects.toEqual(refused('index-not-ready'));
    await expect(process.rotateIndex()).rejects.toEqual(refused('index-not-ready'));
    deployment.register(tenantRecord({ indexes: { ...INDEXES, phone: {} }, revision: '2' }));
    await process.makeIndexKeys();
    expect(keyring.rows).toHaveLength(2);
  });

  test('that the database lost is restored by a process that used it, and continues to write', async () => {
    const { deployment, keyring, process } = await readyIndexes();
    const before = await process.tokens();
    keyring.rows = [];
    await process.dataKeys.recheckBranches();
    expect(deployment.branchEvents).toContain('index-put-back');
    expect(await process.tokens()).toEqual(before);
    deployment.clock.advance(SETTLE);
    expect(await deployment.start().tokens()).toEqual(before);
  });

  test('of a version that the database lost is reported instead of an incomplete search', async () => {
    const { deployment, keyring, process } = await readyIndexes();
    await process.rotateIndex();
    keyring.rows = keyring.rows.filter(({ label }) => label !== 'email 1 128 none');
    const fresh = deployment.start();
    await expect(fresh.tokens()).rejects.toMatchObject({ reason: 'index-key-missing', fix: { owner: 'vendor' } });
    await expect(fresh.rotateIndex()).rejects.toEqual(refused('index-key-missing'));
    await process.dataKeys.recheckBranches();
    deployment.clock.advance(SETTLE);
    expect(Object.keys((await fresh.tokens()).search)).toEqual(['1', '2']);
  });

  test.each([
    ['another version', { label: 'email 2 128 none' }, 'index-key-missing'],
    ['other bits', { label: 'email 1 256 none' }, 'index-key-altered'],
    ['another normalisation', { label: 'email 1 128 nfc' }, 'index-key-altered'],
    ['another tenant', { tenantId: 'fabrikam' }, 'index-key-altered'],
    ['another key', { vaultKey: 'https://contoso-kv.vault.azure.net/keys/other' }, 'index-key-altered'],
    ['another key version', { kid: CMK_V2 }, 'index-key-altered'],
  ])('whose row says %s than its JWE is refused and reported', async (_what, change, reason) => {
    const { deployment, keyring } = await readyIndexes();
    deployment.register(tenantRecord({ id: 'fabrikam', indexes: INDEXES }));
    keyring.rows = keyring.rows.map((row) => (row.label === 'email 1 128 none' ? { ...row, ...change } : row));
    const tenantId = 'tenantId' in change ? 'fabrikam' : 'contoso';
    await expect(deployment.start().tokens('a', { tenantId })).rejects.toEqual(refused(reason));
    if (reason === 'index-key-altered') expect(deployment.disagreements).toHaveLength(1);
  });

  test('of another index, under its name, is refused', async () => {
    const { deployment, keyring } = await readyIndexes();
    const [email, name] = keyring.rows;
    keyring.rows = keyring.rows.map((row) => (row === email ? { ...row, jwe: name?.jwe } : row));
    await expect(deployment.start().tokens()).rejects.toEqual(refused('index-key-altered'));
  });

  test("that an attacker planted makes no tokens, whatever the tenant's origin", async () => {
    const { deployment, process } = await readyIndexes({ origin: 'optional' });
    const sealed = await process.sealDeterministic();
    const [mine] = deployment.originKeys.keys;
    deployment.originKeys.keys = [createSecretKey(Buffer.alloc(32, 9))];
    await deployment
      .start()
      .rotateIndex()
      .catch(() => undefined);
    deployment.originKeys.keys = mine ? [mine] : [];
    const fresh = deployment.start();
    await expect(fresh.tokens()).rejects.toEqual(refused('index-key-altered'));
    await expect(fresh.sealDeterministic()).rejects.toEqual(refused('index-key-altered'));
    expect(await fresh.openDeterministic(sealed)).toBe('ann@example.org');
  });

  test('is not made anew where a label was altered', async () => {
    const { deployment, keyring } = await readyIndexes();
    keyring.rows = keyring.rows.map((row) => ({ ...row, label: `${row.label}.` }));
    await deployment.start().makeIndexKeys();
    expect(keyring.rows).toHaveLength(2);
    expect(deployment.disagreements).toHaveLength(2);
  });
});

describe('a rotation', () => {
  test('is searched at once and written once every process knows it', async () => {
    const { deployment, process } = await readyIndexes();
    const other = deployment.start();
    const first = (await other.tokens()).write.token;
    expect(states(await process.rotateIndex())).toEqual({ 1: 'written', 2: 'pending' });
    const during = await other.tokens();
    expect(during.write).toEqual({ version: 1, token: first });
    expect(Object.keys(during.search)).toEqual(['1', '2']);
    deployment.clock.advance(SETTLE - 1);
    expect((await other.tokens()).write.version).toBe(1);
    deployment.clock.advance(1);
    const after = await other.tokens();
    expect(after).toEqual({ write: { version: 2, token: during.search[2] }, search: during.search });
  });

  test('by two processes at once, or repeated, makes one version', async () => {
    const { deployment, process } = await readyIndexes();
    const other = deployment.start();
    const shown = await Promise.all([process.rotateIndex(), other.rotateIndex()]);
    expect(shown.map(states)).toEqual(Array(2).fill({ 1: 'written', 2: 'pending' }));
    expect(states(await other.rotateIndex())).toEqual({ 1: 'written', 2: 'pending' });
    const [a, b] = [await process.tokens(), await other.tokens()];
    expect(a).toEqual(b);
  });

  test('of each row that two processes write meanwhile, every search finds it', async () => {
    const { deployment, process } = await readyIndexes();
    const other = deployment.start();
    const stored: string[] = [];
    const step = async (one: typeof process, another: typeof process) => {
      stored.push((await one.tokens()).write.token ?? '');
      const wanted = Object.values((await another.tokens()).search);
      expect(stored.every((token) => wanted.includes(token))).toBe(true);
    };
    await step(process, other);
    await process.rotateIndex();
    for (let minute = 0; minute < 12; minute += 1) {
      await step(process, other);
      await step(other, process);
      deployment.clock.advance(60);
    }
    expect(new Set(stored).size).toBe(2);
  });

  test('takes the settings of the record; older versions keep theirs', async () => {
    const { deployment, process } = await readyIndexes();
    deployment.register(tenantRecord({ revision: '2', indexes: { email: { bits: 256 } } }));
    expect((await process.tokens()).write.token).toHaveLength(22);
    await process.rotateIndex();
    deployment.clock.advance(SETTLE);
    const { write, search } = await process.tokens();
    expect(write.token).toHaveLength(43);
    expect(search[1]).toHaveLength(22);
  });

  test('has a limit of versions until one is retired', async () => {
    const { deployment, process } = await readyIndexes();
    for (let version = 2; version <= 8; version += 1) {
      await process.rotateIndex();
      deployment.clock.advance(SETTLE);
    }
    await expect(process.rotateIndex()).rejects.toEqual(refused('too-many'));
    deployment.clock.advance(SETTLE);
    await process.retireIndex(1);
    expect(states(await process.rotateIndex())).toMatchObject({ 1: 'retired', 9: 'pending' });
  });

  test('is not undone by an older writer: a version that wrote before is not written again', async () => {
    const copies = { isRequired: true, write: async () => true, writeDestroyed: async () => undefined };
    const { deployment, keyring, process } = await readyIndexes({}, copies);
    await process.rotateIndex();
    deployment.clock.advance(SETTLE);
    expect((await process.tokens()).write.version).toBe(2);
    // A move to another key version by an export's copies leaves the newest JWE uncopied for a while.
    keyring.rows = keyring.rows.map((row) => ({ ...row, copiedJwe: 'older', copiedKid: 'older' }));
    copies.write = async () => false;
    deployment.clock.advance(61);
    expect((await process.tokens()).write.version).toBe(2);
  });
});

describe('a version that is retired', () => {
  test('was not written lately; then its key is destroyed everywhere', async () => {
    const inCopies: string[] = [];
    const { deployment, keyring, process } = await readyIndexes(
      {},
      {
        isRequired: false,
        write: async () => false,
        writeDestroyed: async (keys) => void inCopies.push(...keys.map(({ label, jwe }) => `${label} ${jwe}`)),
      },
    );
    const other = deployment.start();
    const sealed = await other.sealDeterministic();
    await expect(process.retireIndex(1)).rejects.toEqual(refused('written'));
    await process.rotateIndex();
    await expect(process.retireIndex(2)).rejects.toEqual(refused('written'));
    deployment.clock.advance(SETTLE);
    await expect(process.retireIndex(1)).rejects.toMatchObject({
      code: 'index-version',
      reason: 'just-written',
      retryAfter: SETTLE,
    });
    deployment.clock.advance(SETTLE);
    expect(await other.openDeterministic(sealed)).toBe('ann@example.org');
    expect(states(await process.retireIndex(1))).toEqual({ 1: 'retired', 2: 'written' });
    expect(states(await process.retireIndex(1))).toEqual({ 1: 'retired', 2: 'written' });
    expect(Object.keys((await other.tokens()).search)).toEqual(['2']);
    await expect(other.openDeterministic(sealed)).rejects.toMatchObject({
      code: 'unknown-key',
      reason: 'index-version-retired',
      errors: [{ pointer: '/values/0' }],
    });
    expect(keyring.rows.find(({ label }) => label === 'email 1 128 none')?.jwe).toBeUndefined();
    expect(deployment.branchEvents).toContain('index-retired');
    expect(new Set(inCopies)).toEqual(new Set(['email 1 128 none undefined']));
  });

  test('waits from the copy of its successor, which may come late', async () => {
    const { deployment, keyring, process } = await readyIndexes(
      {},
      { isRequired: true, write: async () => false, writeDestroyed: async () => undefined },
    );
    const copy = async () => {
      for (const row of keyring.rows) if (row.jwe !== undefined) await keyring.markCopied([{ ...row, jwe: row.jwe }]);
    };
    await copy();
    await process.rotateIndex();
    deployment.clock.advance(10 * SETTLE);
    expect((await process.tokens()).write.version).toBe(1);
    await copy();
    expect((await process.tokens()).write.version).toBe(2);
    await expect(process.retireIndex(1)).rejects.toEqual(refused('just-written'));
    deployment.clock.advance(SETTLE);
    expect(states(await process.retireIndex(1))).toEqual({ 1: 'retired', 2: 'written' });
  });

  test('must be one of the index', async () => {
    const { process } = await readyIndexes();
    expect(await codeOf(process.retireIndex(7))).toBe('malformed-request');
    expect(await codeOf(process.retireIndex(1, 'phone'))).toBe('index-not-found');
  });
});
