import { describe, expect, test } from '@jest/globals';
import { codeOf, tenantRecord } from '../support/deployment.ts';
import { INDEXES, readyIndexes, SETTLE } from '../support/ready-indexes.ts';

describe('deterministic values', () => {
  test('are equal, and open only under their index, tenant and context', async () => {
    const { deployment, process } = await readyIndexes();
    const context = { table: 'customers' };
    const sealed = await process.sealDeterministic('a value', { context });
    expect(await deployment.start().sealDeterministic('a value', { context })).toBe(sealed);
    expect(await process.openDeterministic(sealed, { context })).toBe('a value');
    expect(await codeOf(process.openDeterministic(sealed))).toBe('undecryptable');
    expect(await codeOf(process.openDeterministic(sealed, { context, name: 'name' }))).toBe('undecryptable');
    deployment.register(tenantRecord({ id: 'fabrikam', indexes: INDEXES }));
    await process.makeIndexKeys('fabrikam');
    deployment.clock.advance(SETTLE);
    expect(await codeOf(process.openDeterministic(sealed, { context, tenantId: 'fabrikam' }))).toBe('undecryptable');
  });

  test('have one form with an empty context and without one', async () => {
    const { process } = await readyIndexes();
    const sealed = await process.sealDeterministic('a value');
    expect(await process.sealDeterministic('a value', { context: {} })).toBe(sealed);
    expect(await process.openDeterministic(sealed, { context: {} })).toBe('a value');
  });

  test('with an altered prefix name another version, whose key does not open them', async () => {
    const { process } = await readyIndexes();
    const bytes = Buffer.from(await process.sealDeterministic(), 'base64url');
    bytes.writeUInt32BE(2, 1);
    const altered = bytes.toString('base64url');
    await expect(process.openDeterministic(altered)).rejects.toMatchObject({ reason: 'index-version-unknown' });
    await process.rotateIndex();
    expect(await codeOf(process.openDeterministic(altered))).toBe('undecryptable');
    bytes[0] = 2;
    expect(await codeOf(process.openDeterministic(bytes.toString('base64url')))).toBe('malformed-ciphertext');
  });

  test.each([
    ['padding', (text: string) => `${text}=`],
    ['the standard alphabet', (text: string) => Buffer.from(text, 'base64url').toString('base64')],
    ['whitespace', (text: string) => `${text}\n`],
    [
      'spare bits',
      (text: string) => `${text.slice(0, -1)}${String.fromCharCode(text.charCodeAt(text.length - 1) + 1)}`,
    ],
    ['nothing', () => ''],
  ])('with %s have another spelling, and are refused', async (what, change) => {
    const { process } = await readyIndexes();
    // Values of 20 to 22 bytes: one of their texts has spare bits, and one a character of both alphabets.
    const texts = await Promise.all(['a', 'bc', 'def', '?>?>?>?>'].map((value) => process.sealDeterministic(value)));
    const changed = texts.map((text) => [text, change(text)] as const).filter(([text, other]) => text !== other);
    expect(changed.length).toBeGreaterThan(0);
    const codes = await Promise.all(changed.map(([, other]) => codeOf(process.openDeterministic(other))));
    expect(codes).toContain('malformed-ciphertext');
    expect(codes.filter((code) => code === 'ok')).toEqual([]);
    if (what !== 'spare bits') expect(new Set(codes).size).toBe(1);
  });

  test('need the names that the record requires, and none more to open', async () => {
    const { deployment, process } = await readyIndexes();
    const sealed = await process.sealDeterministic();
    deployment.register(tenantRecord({ indexes: INDEXES, requiredContext: ['table'], revision: '2' }));
    expect(await codeOf(process.sealDeterministic())).toBe('malformed-request');
    expect(await process.openDeterministic(sealed)).toBe('ann@example.org');
  });

  test('are off in FIPS mode, in which tokens still work', async () => {
    const { process } = await readyIndexes();
    const sealed = await process.sealDeterministic();
    const deps = process.deps();
    process.deps = () => ({ ...deps, isFips: true });
    await expect(process.sealDeterministic()).rejects.toMatchObject({ code: 'route-not-found', reason: 'fips' });
    await expect(process.openDeterministic(sealed)).rejects.toMatchObject({ code: 'route-not-found', reason: 'fips' });
    expect(await codeOf(process.tokens())).toBe('ok');
  });
});
