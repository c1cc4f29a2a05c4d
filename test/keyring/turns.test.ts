import { expect, test } from '@jest/globals';
import { type Message, messageParser } from '../../src/format/message.ts';
import { type DecryptItem, decryptBatch } from '../../src/operations/decrypt-data.ts';
import { BOUND, call, codeOf, Deployment, tenantRecord } from '../support/deployment.ts';
import { refusal } from '../support/jwk-key-wrapper.ts';

/** Two messages under one data key, parsed as those of one request: they share their header. */
async function deploy() {
  const deployment = new Deployment();
  deployment.register(tenantRecord({ id: 'fabrikam' }));
  const process = deployment.start();
  const parse = messageParser('message');
  const texts = [await process.encrypt('first'), await process.encrypt('second')];
  const [first, second] = texts.map((text) => parse(Buffer.from(text), 0, text.length));
  if (!first || !second) throw new Error('two messages');
  const decrypt = async (tenantId: string, ...messages: readonly Message[]) => {
    const items = messages.map((ciphertext) => (): DecryptItem => ({ ciphertext }));
    const outcomes = await decryptBatch(process.deps(), call, { tenantId, items });
    const shown = outcomes.map(async (outcome) =>
      'value' in outcome ? outcome.value.plaintext.toString() : codeOf(Promise.reject(outcome.failure)),
    );
    return Promise.all(shown);
  };
  await decrypt('contoso', first); // the first opening of a data key waits for its checks
  return { deployment, process, first, second, decrypt };
}

test('messages that share their header are opened by one data key, and each counts', async () => {
  const { process, first, second, decrypt } = await deploy();
  const before = process.dataKeys.counts.openingHits;
  expect(await decrypt('contoso', first, second, first)).toEqual(['first', 'second', 'first']);
  expect(process.dataKeys.counts.openingHits).toBe(before + 3);
});

test('the next turn looks for the data key again: a refusal since then counts', async () => {
  const { deployment, first, second, decrypt } = await deploy();
  expect(await decrypt('contoso', first)).toEqual(['first']);
  deployment.vault.answer = () => {
    throw refusal('role-missing');
  };
  deployment.clock.advance(BOUND + 1);
  expect(await decrypt('contoso', second)).toEqual(['access-revoked']);
});

test('in one turn, too, a message is opened for its own tenant alone', async () => {
  const { first, second, decrypt } = await deploy();
  const [own, other] = await Promise.all([decrypt('contoso', first), decrypt('fabrikam', second)]);
  expect(own).toEqual(['first']);
  expect(other).toEqual(['wrong-tenant']);
});
