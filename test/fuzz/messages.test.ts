import { isDeepStrictEqual } from 'node:util';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { contexts } from '../support/arbitraries.ts';
import { codeOf, Deployment, tenantRecord } from '../support/deployment.ts';
import { fuzz, NO_LIMIT } from '../support/fuzz-runs.ts';
import { headerMutation, mutated, partMutation, textMutation } from '../support/mutations.ts';

const context = { purpose: 'invoice', id: '4711' };
const byName = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? -1 : 1);
const REFUSED = ['malformed-ciphertext', 'wrong-tenant', 'unknown-key', 'undecryptable', 'context-mismatch'];

/**
 * Two tenants that even share their keys, and messages of two processes: every possible confusion
 * can occur here.
 */
const deployment = new Deployment();
deployment.register(tenantRecord({ id: 'fabrikam' }));
const process = deployment.start();
const texts = [
  await process.encrypt('an invoice', { context }),
  await process.encrypt('another', { context }),
  await process.encrypt('', { context }),
  await process.encrypt('without a context'),
  await process.encrypt('by another key', { context, key: 'hsm' }),
  await deployment.start().encrypt('by another process', { context }),
  await process.encrypt('of another tenant', { context, tenantId: 'fabrikam' }),
];
for (const text of texts) await codeOf(process.decrypt(text, { context }));
await codeOf(process.decrypt(texts.at(-1) ?? '', { context, tenantId: 'fabrikam' }));

test(
  'no changed message opens, and none costs a vault call or a place in a cache',
  async () => {
    deployment.vault.takeOperations();
    const before = process.dataKeys.held();
    const messages = mutated(texts, [textMutation, partMutation(texts), headerMutation]);
    await fuzz(
      'messages',
      0.4,
      fc.tuple(messages, fc.constantFrom('contoso', 'fabrikam')),
      async ([text, tenantId]) => {
        if (texts.includes(text)) return;
        expect(REFUSED).toContain(await codeOf(process.decrypt(text, { context, tenantId })));
      },
    );
    expect(deployment.vault.takeOperations()).toEqual([]);
    expect(process.dataKeys.held()).toEqual(before);
  },
  NO_LIMIT,
);

test(
  'no message opens under a foreign context',
  async () => {
    const [text = ''] = texts;
    const isItsOwn = (given: unknown): boolean =>
      isDeepStrictEqual(Object.entries(given ?? {}).sort(byName), Object.entries(context).sort(byName));
    const given = fc.oneof(
      contexts,
      fc
        .tuple(fc.constantFrom('purpose', 'id', 'Purpose', 'id '), fc.string({ unit: 'binary' }))
        .map(([name, value]) => ({ ...context, [name]: value })),
      fc.anything({ withNullPrototype: true, maxDepth: 3 }),
    );
    await fuzz('contexts', 0.1, given, async (other) => {
      if (isItsOwn(other)) return;
      const code = await codeOf(process.decrypt(text, { context: other }));
      expect(['context-mismatch', 'malformed-request']).toContain(code);
    });
  },
  NO_LIMIT,
);
