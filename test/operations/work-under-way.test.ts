import { describe, expect, test } from '@jest/globals';
import { ServiceError } from '../../src/errors.ts';
import type { Outcome } from '../../src/operations/batch.ts';
import { createDataKey } from '../../src/operations/create-data-key.ts';
import { decryptBatch, decryptData } from '../../src/operations/decrypt-data.ts';
import { encryptBatch, encryptData } from '../../src/operations/encrypt-data.ts';
import { rewrapBatch, rewrapData } from '../../src/operations/rewrap-data.ts';
import { unwrapKey } from '../../src/operations/unwrap-key.ts';
import { wrapKey } from '../../src/operations/wrap-key.ts';
import { BOUND, call, codeOf, Deployment, HSM_KEY, tenantRecord } from '../support/deployment.ts';
import { refusal } from '../support/jwk-key-wrapper.ts';

const COUNT = 60;
const SOURCE = 'contoso';
const TARGET = 'fabrikam';
const PER_MESSAGE = { defaultKey: 'hsm', dataKeys: { mode: 'perMessage' } } as const;

/** Two tenants whose every message costs a vault call, and as many sealed messages. */
async function deploy() {
  const deployment = new Deployment(PER_MESSAGE);
  deployment.register(tenantRecord({ ...PER_MESSAGE, id: TARGET }));
  const messages = await Promise.all(Array.from({ length: COUNT }, () => deployment.start().encrypt()));
  const process = deployment.start();
  await process.encrypt('warm');
  await process.encrypt('warm', { tenantId: TARGET });
  deployment.vault.takeCalls();
  const suspend = (id: string) =>
    deployment.register(tenantRecord({ ...PER_MESSAGE, id, state: 'suspended', revision: '2' }));
  /** Runs `act` during the 20th call of an operation, a second after all others. */
  const during = (operation: string, act: () => void, seconds = 1) => {
    let calls = 0;
    deployment.vault.answer = (made) => {
      if (made.operation === operation) calls += 1;
      if (made.operation !== operation || calls !== 20) return;
      deployment.clock.advance(seconds);
      act();
    };
  };
  return { deployment, process, messages, suspend, during };
}

const codes = (outcomes: readonly Outcome<unknown>[]): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const outcome of outcomes) {
    const failure = 'failure' in outcome ? outcome.failure : undefined;
    const code = failure instanceof ServiceError ? failure.code : failure === undefined ? 'ok' : String(failure);
    counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  return counts;
};

type Setting = Awaited<ReturnType<typeof deploy>>;
const plaintext = Buffer.from('a value');
const batches: readonly [string, string, (setting: Setting) => Promise<readonly Outcome<unknown>[]>][] = [
  [
    'encrypts',
    'wrapKey',
    ({ process }) =>
      encryptBatch(process.deps(), call, { tenantId: SOURCE, items: Array(COUNT).fill(() => ({ plaintext })) }),
  ],
  [
    'decrypts',
    'unwrapKey',
    ({ process, messages }) =>
      decryptBatch(process.deps(), call, {
        tenantId: SOURCE,
        items: messages.map((ciphertext) => () => ({ ciphertext })),
      }),
  ],
  [
    'rewraps',
    'unwrapKey',
    ({ process, messages }) =>
      rewrapBatch(process.deps(), call, {
        tenantId: SOURCE,
        items: messages.map((ciphertext) => () => ({ ciphertext })),
      }),
  ],
  [
    'rewraps to another tenant',
    'unwrapKey',
    ({ process, messages }) =>
      rewrapBatch(process.deps(), call, {
        tenantId: SOURCE,
        items: messages.map((ciphertext) => () => ({ ciphertext, to: { tenantId: TARGET } })),
      }),
  ],
];

describe.each(batches)('a batch of %s', (_name, operation, run) => {
  test('whose tenant is suspended meanwhile refuses the rest', async () => {
    const setting = await deploy();
    setting.during(operation, () => setting.suspend(SOURCE));
    const counts = codes(await run(setting));
    expect([...counts.keys()].sort()).toEqual(['ok', 'tenant-suspended']);
    expect(counts.get('tenant-suspended')).toBeGreaterThanOrEqual(COUNT - 20);
    const record = setting.process.audited.findLast(({ tenantId }) => tenantId === SOURCE);
    expect(record?.items?.['tenant-suspended']).toBe(counts.get('tenant-suspended'));
  });

  test('whose key is refused meanwhile refuses the rest once its proof has expired', async () => {
    const setting = await deploy();
    const { vault } = setting.deployment;
    setting.during(
      operation,
      () => {
        vault.answer = ({ kid }) => {
          if (kid === HSM_KEY) throw refusal('role-missing');
        };
      },
      BOUND,
    );
    const counts = codes(await run(setting));
    expect([...counts.keys()].sort()).toEqual(['access-revoked', 'ok']);
    expect(counts.get('access-revoked')).toBeGreaterThanOrEqual(COUNT - 20);
  });

  test('that takes long and is not suspended succeeds', async () => {
    const setting = await deploy();
    setting.during(operation, () => {});
    expect(codes(await run(setting))).toEqual(new Map([['ok', COUNT]]));
  });

  test('within a second looks up its tenants once', async () => {
    const setting = await deploy();
    setting.during(
      operation,
      () => {
        setting.suspend(SOURCE);
        setting.suspend(TARGET);
      },
      0.9,
    );
    expect(codes(await run(setting))).toEqual(new Map([['ok', COUNT]]));
  });
});

test('a batch of rewraps whose target is suspended meanwhile refuses the rest', async () => {
  const setting = await deploy();
  setting.during('wrapKey', () => setting.suspend(TARGET));
  const [, , , [, , run] = []] = batches;
  const counts = codes((await run?.(setting)) ?? []);
  expect([...counts.keys()].sort()).toEqual(['ok', 'tenant-suspended']);
});

/** One call each, with the vault operation for which it last waits. */
const singles: readonly [string, string, (setting: Setting) => Promise<unknown>][] = [
  ['encrypt', 'wrapKey', ({ process }) => encryptData(process.deps(), call, { tenantId: SOURCE, plaintext })],
  [
    'decrypt',
    'unwrapKey',
    ({ process, messages: [ciphertext = ''] }) => decryptData(process.deps(), call, { tenantId: SOURCE, ciphertext }),
  ],
  ['data-keys', 'wrapKey', ({ process }) => createDataKey(process.deps(), call, { tenantId: SOURCE })],
  [
    'rewrap',
    'unwrapKey',
    ({ process, messages: [ciphertext = ''] }) =>
      rewrapData(process.deps(), call, { tenantId: SOURCE, ciphertext, to: { tenantId: TARGET } }),
  ],
  [
    'wrap',
    'wrapKey',
    ({ process }) => wrapKey(process.deps(), call, { tenantId: SOURCE, key: 'wrap', value: Buffer.alloc(32) }),
  ],
  [
    'unwrap',
    'unwrapKey',
    async ({ deployment, process }) => {
      const { answer } = deployment.vault;
      deployment.vault.answer = () => {};
      const input = { tenantId: SOURCE, key: 'wrap', value: Buffer.alloc(32, 1) };
      const { wrappedKey, keyId, algorithm } = await wrapKey(process.deps(), call, input);
      deployment.vault.answer = answer;
      return unwrapKey(process.deps(), call, { tenantId: SOURCE, wrappedKey, keyId, algorithm });
    },
  ],
];

describe.each(singles)('%s', (_name, operation, run) => {
  const wrapping = {
    keys: { ...tenantRecord().keys, wrap: { vaultUrl: HSM_KEY.split('/keys/')[0] ?? '', name: 'wrap', use: 'wrap' } },
  } as const;
  async function setting(seconds: number, isSuspended: boolean) {
    const made = await deploy();
    const { deployment } = made;
    deployment.vault.add(HSM_KEY.replace('/kek/', '/wrap/'), {
      kty: 'oct',
      k: Buffer.alloc(32, 9).toString('base64url'),
    });
    deployment.register(tenantRecord({ ...PER_MESSAGE, ...wrapping }));
    deployment.vault.answer = (asked) => {
      if (asked.operation !== operation) return;
      deployment.vault.answer = () => {};
      deployment.clock.advance(seconds);
      if (isSuspended)
        deployment.register(tenantRecord({ ...PER_MESSAGE, ...wrapping, state: 'suspended', revision: '2' }));
    };
    return made;
  }

  test('whose vault takes a second, and whose tenant is suspended meanwhile, is refused and not recorded as a success', async () => {
    const made = await setting(1, true);
    const before = made.process.audited.length;
    expect(await codeOf(run(made))).toBe('tenant-suspended');
    expect(made.process.audited.slice(before).filter(({ operation: name }) => name !== 'wrap')).toEqual([]);
  });

  test('whose vault takes a second succeeds where the tenant stays active', async () => {
    expect(await codeOf(run(await setting(1, false)))).toBe('ok');
  });
});

test("a rewrap whose source is revoked while it waits for the target's vault is refused", async () => {
  const { deployment, process, messages } = await deploy();
  const [ciphertext = ''] = messages;
  deployment.vault.answer = ({ operation, tenantId }) => {
    if (operation !== 'wrapKey' || tenantId !== TARGET) return;
    deployment.clock.advance(BOUND);
    deployment.vault.answer = (asked) => {
      if (asked.tenantId === SOURCE) throw refusal('role-missing');
    };
  };
  const moved = rewrapData(process.deps(), call, { tenantId: SOURCE, ciphertext, to: { tenantId: TARGET } });
  expect(await codeOf(moved)).toBe('access-revoked');
});

describe('rewrap into a tenant that requires names in a context', () => {
  const required = { ...PER_MESSAGE, id: TARGET, requiredContext: ['id'], revision: '2' };

  test('refuses a message of another tenant that lacks one, and accepts one that has it', async () => {
    const { deployment, process, messages } = await deploy();
    deployment.register(tenantRecord(required));
    const to = { tenantId: TARGET };
    const [without = ''] = messages;
    const withId = await process.encrypt('a', { context: { id: '4711' } });
    const move = (ciphertext: string, encryptionContext?: object) =>
      rewrapData(process.deps(), call, { tenantId: SOURCE, ciphertext, encryptionContext, to });
    expect(await codeOf(move(without))).toBe('malformed-request');
    expect(await codeOf(move(withId, { id: '4711' }))).toBe('ok');
  });

  test('accepts its own old messages without them, which could otherwise never leave an old key version', async () => {
    const { deployment, process } = await deploy();
    const old = await process.encrypt('a', { tenantId: TARGET });
    deployment.register(tenantRecord(required));
    expect(await codeOf(rewrapData(process.deps(), call, { tenantId: TARGET, ciphertext: old }))).toBe('ok');
    expect(await codeOf(process.encrypt('a', { tenantId: TARGET }))).toBe('malformed-request');
  });
});
