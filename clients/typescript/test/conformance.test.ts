// The vectors that clients in every language are held to: clients/conformance.
import assert from 'node:assert/strict';
import * as crypto from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { VaultspanError } from '../src/index.ts';
import { canonicalContext, fieldContexts } from '../src/local/canonical-context.ts';
import { Leaf, leasedHeader } from '../src/local/compact.ts';

interface Named {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly plaintext: string;
  readonly context: Record<string, string>;
  readonly canonical: string;
  readonly field?: string;
}

// The tests run from build/test.
const read = (name: string) => JSON.parse(readFileSync(new URL(`../../../conformance/${name}.json`, import.meta.url), 'utf8'));
const contexts: { accepted: Named[]; refused: Named[] } = read('contexts');
const messages: { kid: string; leafKey: string; iv: string; opened: Named[]; refused: Named[]; anotherContext: Named } = read('messages');
const leases: { leaves: (Named & { isLeased: boolean })[] } = read('leases');
const leaf = new Leaf(crypto, messages.kid, Buffer.from(messages.leafKey, 'hex'));
const fixedIv = { ...crypto, randomFillSync: (buffer: Buffer) => buffer.fill(Buffer.from(messages.iv, 'hex')) } as typeof crypto;
const sealing = new Leaf(fixedIv, messages.kid, Buffer.from(messages.leafKey, 'hex'));
const refusal = (code: string) => (error: unknown) => error instanceof VaultspanError && error.code === code;
const canonicalOf = ({ context, field }: Named) =>
  field === undefined ? canonicalContext(context, undefined) : fieldContexts(context, undefined, 1)(field);

describe('contexts', () => {
  for (const { name, context, canonical } of contexts.accepted) {
    it(`with ${name} have the canonical form`, () => assert.equal(canonicalContext(context, undefined), canonical));
  }
  for (const { name, context, code } of contexts.refused) {
    it(`with ${name} are refused`, () => assert.throws(() => canonicalContext(context, undefined), refusal(code)));
  }
});

describe('messages', () => {
  for (const one of messages.opened) {
    it(`of ${one.name} open and are sealed to the same text`, () => {
      const plaintext = Buffer.from(one.plaintext, 'base64');
      assert.equal(leasedHeader(one.message), leaf.header);
      assert.deepEqual(leaf.open(one.message, canonicalOf(one)), plaintext);
      assert.equal(sealing.seal(plaintext, canonicalOf(one)), one.message);
    });
  }
  for (const { name, message, code } of messages.refused) {
    it(`with ${name} are refused`, () => assert.throws(() => leaf.open(message, ''), refusal(code)));
  }
  it('of another context are refused', () => {
    const { message, context, code } = messages.anotherContext;
    assert.throws(() => leaf.open(message, canonicalContext(context, undefined)), refusal(code));
  });
});

describe('leaves', () => {
  for (const { name, message, isLeased } of leases.leaves) {
    it(`of ${name} are${isLeased ? '' : ' not'} a lease's`, () => {
      assert.equal(leasedHeader(message), isLeased ? message.slice(0, 80) : undefined);
    });
  }
});
