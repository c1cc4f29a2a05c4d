import { createSecretKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import {
  compactHeader,
  deriveLeafKey,
  isCompact,
  openCompact,
  parseCompact,
  sealCompact,
} from '../../src/format/compact.ts';
import { canonicalContext, fieldContexts } from '../../src/format/encryption-context.ts';
import { contentKeyOf } from '../support/gcm.ts';

interface Case {
  readonly name: string;
  readonly context: Readonly<Record<string, string>>;
  readonly field?: string;
  readonly canonical: string;
  readonly message: string;
  readonly plaintext: string;
  readonly code: string;
  readonly isLeased: boolean;
}

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../clients/conformance/${name}.json`, import.meta.url), 'utf8'));
const contexts = read('contexts') as Readonly<Record<'accepted' | 'refused', readonly Case[]>>;
const messages = read('messages') as Readonly<Record<'opened' | 'refused', readonly Case[]>> &
  Readonly<Record<'branchKey' | 'tenantId' | 'kid' | 'leafKey' | 'iv', string>>;
const leases = read('leases') as { readonly leaves: readonly Case[] };

const titled = (cases: readonly Case[]) => cases.map((one) => [one.name, one] as const);
const leafKey = createSecretKey(messages.leafKey, 'hex');
const canonical = ({ context, field }: Case) =>
  field === undefined ? canonicalContext(context) : fieldContexts(context)(field);
const open = (one: Case) => openCompact(contentKeyOf(leafKey, canonical(one)), parseCompact(one.message));

/** The vectors that clients in every language are held to. */
describe('what clients are held to', () => {
  test.each(titled(contexts.accepted))('the canonical form of a context with %s', (_name, one) => {
    expect(canonicalContext(one.context)?.toString() ?? '').toBe(one.canonical);
  });

  test.each(titled(contexts.refused))('the refusal of a context with %s', (_name, one) => {
    expect(() => canonicalContext(one.context)).toThrow(expect.objectContaining({ code: one.code }));
  });

  test('the key of a leaf', () => {
    const branchKey = createSecretKey(messages.branchKey, 'hex');
    const key = deriveLeafKey(branchKey, 'message', messages.tenantId, messages.kid);
    expect(key.export().toString('hex')).toBe(messages.leafKey);
  });

  test.each(titled(messages.opened))('a message of %s', (_name, one) => {
    const plaintext = Buffer.from(one.plaintext, 'base64');
    const contentKey = contentKeyOf(leafKey, canonical(one));
    const iv = Buffer.from(messages.iv, 'hex');
    expect(sealCompact(contentKey, compactHeader(messages.kid), iv, plaintext)).toBe(one.message);
    expect(open(one)).toEqual(plaintext);
  });

  test.each(titled(messages.refused))('the refusal of a message with %s', (_name, one) => {
    expect(() => open(one)).toThrow(expect.objectContaining({ code: one.code }));
  });

  test.each(titled(leases.leaves))('whether a leaf is a lease’s: %s', (_name, { message, isLeased }) => {
    expect(isCompact(message) && parseCompact(message).leaf.isLease).toBe(isLeased);
  });
});
