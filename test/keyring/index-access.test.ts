import { describe, expect, test } from '@jest/globals';
import { BOUND, codeOf, tenantRecord } from '../support/deployment.ts';
import { refusal } from '../support/jwk-key-wrapper.ts';
import { INDEXES, readyIndexes } from '../support/ready-indexes.ts';

describe('access to an index', () => {
  test('ends within the bound after a refusal, and recovers once the vault allows it', async () => {
    const { deployment, process } = await readyIndexes();
    const sealed = await process.sealDeterministic();
    deployment.vault.answer = () => {
      throw refusal('role-missing');
    };
    expect(await codeOf(process.tokens())).toBe('ok'); // within the bound
    deployment.clock.advance(BOUND);
    expect(await codeOf(process.tokens())).toBe('access-revoked');
    expect(await codeOf(process.openDeterministic(sealed))).toBe('access-revoked');
    expect(await codeOf(process.rotateIndex())).toBe('access-revoked');
    deployment.vault.answer = () => undefined;
    deployment.clock.advance(61);
    expect(await codeOf(process.tokens())).toBe('ok');
  });

  test('needs a fresh proof, however recently the rows were read', async () => {
    const { deployment, process } = await readyIndexes();
    await process.tokens();
    deployment.vault.answer = () => {
      throw refusal('role-missing');
    };
    deployment.clock.advance(BOUND - 1);
    await process.dataKeys.recheckBranches();
    deployment.clock.advance(2);
    expect(await codeOf(process.tokens())).toBe('access-revoked');
  });

  test('is refused to a suspended tenant', async () => {
    const { deployment, process } = await readyIndexes();
    await process.tokens();
    deployment.register(tenantRecord({ indexes: INDEXES, state: 'suspended', revision: '2' }));
    expect(await codeOf(process.tokens())).toBe('tenant-suspended');
    expect(await codeOf(process.sealDeterministic())).toBe('tenant-suspended');
    expect(await codeOf(process.rotateIndex())).toBe('tenant-suspended');
  });

  test('needs no database for five minutes, and no longer', async () => {
    const { deployment, keyring, process } = await readyIndexes({ revocationBoundSeconds: 60 });
    const before = await process.tokens();
    keyring.isAway = true;
    deployment.clock.advance(299);
    expect(await process.tokens()).toEqual(before);
    deployment.clock.advance(2);
    expect(await codeOf(process.tokens())).toBe('registry-unavailable');
  });

  test('calls database and vault each time if the bound is 0', async () => {
    const { deployment, keyring, process } = await readyIndexes({ revocationBoundSeconds: 0 });
    await process.tokens();
    deployment.vault.takeCalls();
    const before = keyring.calls;
    await process.tokens();
    expect(keyring.calls).toBeGreaterThan(before);
    expect(deployment.vault.takeCalls().map(({ operation }) => operation)).toContain('unwrapKey');
    keyring.isAway = true;
    expect(await codeOf(process.tokens())).toBe('registry-unavailable');
  });

  test('is proven anew after the clock has jumped, as after a resumed snapshot', async () => {
    const { deployment, process } = await readyIndexes();
    await process.tokens();
    deployment.vault.takeCalls();
    deployment.clock.jumpWall(3_600);
    await process.tokens();
    expect(deployment.vault.takeCalls().map(({ operation }) => operation)).toContain('unwrapKey');
  });
});
